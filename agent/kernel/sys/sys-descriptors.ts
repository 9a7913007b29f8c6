import { AgentError, SystemError } from "../error.ts";
import type { Fd, FilePart } from "../kernel.ts";
import type { DescriptorPoller, PollEvent } from "./descriptor-poller.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked, checkedPair, EAGAIN, EIO } from "./sys-result.ts";

/** A message from a unix socket. The descriptors are the receiver's; `data` is a view of the buffer it was read into. */
export interface SocketMessage {
  readonly data: Uint8Array;
  readonly fds: readonly Fd[];
  /** It had descriptors, for which this process has no numbers left. */
  readonly lost?: true;
}

const O_PATH = 0o10000000;
const O_NONBLOCK = 0o4000;

/** What comes with a descriptor: OCI runtimes send a name. */
const MAX_GREETING = 4096;

/** Most descriptors of one message, and the element before them that holds their number. */
const RECEIVED = 1 + 64;

/** Pipes, reading, writing, waiting, opening. Reading and writing wait only if the descriptor is a blocking one. */
export function descriptorCalls(addon: NativeAddon, poller: DescriptorPoller) {
  return {
    pipe(options: { readonly sizeBytes?: number } = {}) {
      const [read, write] = checkedPair((out) => addon.pipe(out, options.sizeBytes ?? 0), "pipe");
      return { read, write };
    },
    setNonBlocking(fd: Fd) {
      checked(addon.setNonBlocking(fd), "set non-blocking", fd);
    },
    dup: (fd: Fd) => checked(addon.dup(fd), "dup", fd),
    /** False if another open file has the lock. It ends when the last copy of the descriptor is closed, in whichever process. */
    lock(fd: Fd) {
      const status = addon.lock(fd);
      if (status !== -EAGAIN) checked(status, "flock", fd);
      return status !== -EAGAIN;
    },
    /** Waits on `fd` by `poll` are ended with AgentError "canceled". */
    close(fd: Fd) {
      poller.forget(fd);
      checked(addon.close(fd), "close", fd);
    },
    read(fd: Fd, into: Uint8Array) {
      const got = addon.read(fd, into);
      if (got >= 0) return got;
      if (got === -EAGAIN) return -1;
      // The master of a pty whose last slave is closed answers EIO: that is its end of file.
      if (got === -EIO && addon.terminalNumber(fd) >= 0) return 0;
      return checked(got, "read", fd);
    },
    write(fd: Fd, from: Uint8Array) {
      const put = addon.write(fd, from);
      return put === -EAGAIN ? -1 : checked(put, "write", fd);
    },
    /**
     * Of a stream socket, into `region` behind its first HEADER_BYTES: there the kernel writes the count, before the call returns.
     */
    receive(fd: Fd, region: Uint8Array) {
      const got = addon.receive(fd, region);
      return got === -EAGAIN ? -1 : checked(got, "recvmmsg", fd);
    },
    /** As `receive`: sends `length` bytes. */
    send(fd: Fd, region: Uint8Array, length: number) {
      const put = addon.send(fd, region, length);
      return put === -EAGAIN ? -1 : checked(put, "sendmmsg", fd);
    },
    splice(from: Fd, to: Fd, length: number) {
      const moved = addon.splice(from, to, length);
      return moved === -EAGAIN ? -1 : checked(moved, "splice", `fd ${from} to fd ${to}`);
    },
    readable: (fd: Fd) => checked(addon.readable(fd), "ioctl FIONREAD", fd),
    /** True if a file of procfs has changed since this was asked before. */
    changed: (fd: Fd) => checked(addon.changed(fd), "poll", fd) === 1,
    poll: (fd: Fd, event: PollEvent, signal?: AbortSignal) => poller.wait(fd, event, signal),
    /**
     * Calls `onReady` whenever `fd` can be read, until the function that it gives is called or `fd` is closed. What `onReady`
     * throws ends the watch and goes to `onLost`.
     */
    watch: (fd: Fd, onReady: () => void, onLost: (error: unknown) => void) => poller.watch(fd, onReady, onLost),
    /** Adds O_NONBLOCK, so that a FIFO in a container's files cannot hold the agent; never creates. */
    openat2(dir: Fd, path: string, flags: number, resolve: number) {
      const ours = (flags & O_PATH) === 0 ? flags | O_NONBLOCK : flags;
      return checked(addon.openat2(dir, path, ours, resolve), "openat2", `${path} in fd ${dir}`);
    },
    async openInside(dir: Fd, path: string, flags: number, resolve: number, types: readonly number[]): Promise<Fd> {
      const ours = (flags & O_PATH) === 0 ? flags | O_NONBLOCK : flags;
      return checked(await addon.openInside(dir, path, ours, resolve, counted(types)), "open", path);
    },
    async copyInside(dir: Fd, path: string, resolve: number, types: readonly number[], part: FilePart): Promise<Fd> {
      const { limit, tail = false } = part;
      return checked(await addon.copyInside(dir, path, resolve, counted(types), limit, tail ? 1 : 0), "read", path);
    },
    statfsType: (fd: Fd) => checked(addon.statfsType(fd), "fstatfs", fd),
    makeNode(dir: Fd, name: string, mode: number, major: number, minor: number) {
      checked(addon.makeNode(dir, name, mode, major, minor), "mknod", `${name} in fd ${dir}`);
    },
    setXattr(fd: Fd, name: string, value: Uint8Array) {
      checked(addon.setXattr(fd, name, value), "setxattr", `${name} of fd ${fd}`);
    },
    /** memfd with `content`, sealed against every change, offset 0. */
    memoryFile: (name: string, content: Uint8Array) =>
      checked(addon.memoryFile(name, content), "memfd", `${name} of ${content.length} bytes`),
    /** Ends a connection both ways, whoever has copies of the descriptor; one that is gone is ended. */
    endConnection: (fd: Fd) => void addon.endConnection(fd),
    /** Port of the other side of a vsock connection. */
    peerPort: (fd: Fd) => checked(addon.peerPort(fd), "getpeername", fd),
    /** The first `length` bytes of a file as memory that outlives this process with the file. */
    mapShared(fd: Fd, length: number): ArrayBuffer {
      const memory = addon.mapShared(fd, length);
      if (typeof memory !== "number") return memory;
      throw new SystemError("mmap", -memory, `fd ${fd}`);
    },
  };
}

/** Unix sockets that take one descriptor of a peer. */
export function descriptorSocketCalls(addon: NativeAddon, poller: DescriptorPoller) {
  const { receiveMessage } = messageCalls(addon);
  return {
    listenUnix(path: string): Fd {
      const listener = checked(addon.unixSocket(), "socket", path);
      const status = addon.bindUnix(listener, path) || addon.listen(listener, 1);
      if (status < 0) addon.close(listener);
      checked(status, "listen on", path);
      return listener;
    },
    async acceptDescriptor(listener: Fd, signal?: AbortSignal): Promise<Fd> {
      await poller.wait(listener, "read", signal);
      const connection = checked(addon.accept(listener), "accept on", listener);
      try {
        await poller.wait(connection, "read", signal);
        const [descriptor, ...surplus] = receiveMessage(connection, new Uint8Array(MAX_GREETING))?.fds ?? [];
        for (const fd of surplus) addon.close(fd);
        if (descriptor !== undefined) return descriptor;
        throw new AgentError("internal", `accept on fd ${listener}: the peer sent no descriptor`);
      } finally {
        poller.forget(connection);
        addon.close(connection);
      }
    },
  };
}

/** Messages with descriptors over unix sockets; neither call waits. */
export function messageCalls(addon: NativeAddon) {
  const received = new Int32Array(RECEIVED);
  return {
    /** Unix socketpair, blocking, close-on-exec. */
    socketPair: (kind: "stream" | "seqpacket") =>
      checkedPair((out) => addon.socketPair(out, kind === "seqpacket" ? 1 : 0), "socketpair"),
    /** True when sent, false when the socket's buffer is full. Up to 64 descriptors, which stay the caller's. */
    sendMessage(fd: Fd, data: Uint8Array, fds: readonly Fd[] = []) {
      const sent = addon.sendMessage(fd, data, fds);
      if (sent === -EAGAIN) return false;
      checked(sent, "sendmsg", `fd ${fd} with ${data.length} bytes and ${fds.length} descriptors`);
      return true;
    },
    /**
     * Undefined when there is none yet; empty data at end of file. A message that is longer than `into` or has more than
     * 64 descriptors is lost and throws EMSGSIZE.
     */
    receiveMessage(fd: Fd, into: Uint8Array): SocketMessage | undefined {
      const got = addon.receiveMessage(fd, into, received);
      if (got === -EAGAIN) return undefined;
      checked(got, "recvmsg", fd);
      const data = into.subarray(0, got);
      if (received[0] === -1) return { data, fds: [], lost: true };
      const fds: Fd[] = [];
      for (let at = 1; at <= (received[0] ?? 0); at++) fds.push(received[at] ?? -1);
      return { data, fds };
    },
  };
}

/** As the addon takes a list: its length, then its elements. */
function counted(numbers: readonly number[]): Int32Array {
  const list = new Int32Array(33);
  list[0] = numbers.length;
  list.set(numbers, 1);
  return list;
}
