import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import type { DescriptorPoller } from "./descriptor-poller.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked, EAGAIN, EINPROGRESS } from "./sys-result.ts";

const FAMILIES = { unix: 1, inet: 2, inet6: 10, packet: 17 } as const;
const TYPES = { stream: 1, datagram: 2 } as const;

/** Creates the calls for sockets in network namespaces. All sockets are non-blocking. */
export function socketCalls(addon: NativeAddon, poller: DescriptorPoller) {
  return {
    /** Creates a socket in the network namespace of a file or a pidfd. */
    socketIn: (namespace: Fd, family: keyof typeof FAMILIES, type: keyof typeof TYPES) =>
      checked(addon.socketIn(namespace, FAMILIES[family], TYPES[type]), `${family} socket in namespace`, namespace),
    /** Connects to a valid IP address; the signal ends the attempt. */
    async connectInet(fd: Fd, address: string, port: number, signal: AbortSignal): Promise<void> {
      const object = `${address} port ${port}`;
      const status = addon.connectInet(fd, address, port);
      if (status !== -EINPROGRESS) return void checked(status, "connect to", object);
      await poller.wait(fd, "write", signal);
      checked(addon.socketError(fd), "connect to", object);
    },
    /** Connects to a path, or `@name`; returns false if the listener's backlog is full. Off the main thread. */
    async connectUnix(fd: Fd, path: string, object: string): Promise<boolean> {
      const status = await addon.connectUnix(fd, path);
      if (status !== -EAGAIN) checked(status, "connect to", object);
      return status !== -EAGAIN;
    },
    bindInet(fd: Fd, address: string, port: number) {
      checked(addon.bindInet(fd, address, port), "bind", `${address} port ${port}`);
    },
    inetPort: (fd: Fd) => checked(addon.inetPort(fd), "getsockname", fd),
    listen(fd: Fd, backlog: number) {
      checked(addon.listen(fd, backlog), "listen on", fd);
    },
    /** Returns a connection, or undefined if none waits. */
    accept(fd: Fd): Fd | undefined {
      const accepted = addon.accept(fd);
      return accepted === -EAGAIN ? undefined : checked(accepted, "accept on", fd);
    },
    isVsock: (fd: Fd) => addon.localPort(fd) >= 0,
    /** Shuts down the direction to the peer, even if other processes hold copies; a lost connection is fine. */
    endWriting: (fd: Fd) => void addon.endWriting(fd),
    /** Makes the last close send a reset instead of an end. */
    resetOnClose: (fd: Fd) => void addon.resetOnClose(fd),
    /** Copies received bytes without consuming them; 0 at the end, -1 if there are none yet. */
    peek(fd: Fd, into: Uint8Array) {
      const got = addon.peek(fd, into);
      if (got >= 0 || got === -EAGAIN) return got < 0 ? -1 : got;
      throw new SystemError("recv", -got, `fd ${fd}`);
    },
  };
}
