import { DescriptorPoller } from "./descriptor-poller.ts";
import { SystemError } from "./error.ts";
import type { Fd, Sys } from "./kernel.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";

/** A message from a unix socket. The descriptors are the receiver's; `data` is a view of the buffer it was read into. */
export interface SocketMessage {
  readonly data: Uint8Array;
  readonly fds: readonly Fd[];
}

/** `Sys`, and what only the kernel folder itself needs: messages with descriptors, memory files, processes. */
export interface RealSys extends Sys {
  /** Unix socketpair, blocking, close-on-exec. */
  socketPair(kind: "stream" | "seqpacket"): [Fd, Fd];
  /** True when sent, false when the socket's buffer is full. Up to 64 descriptors, which stay the caller's. */
  sendMessage(fd: Fd, data: Uint8Array, fds?: readonly Fd[]): boolean;
  /** Undefined when there is none yet; empty data at end of file. `into` must hold the longest message (else EMSGSIZE). */
  receiveMessage(fd: Fd, into: Uint8Array): SocketMessage | undefined;
  /** memfd with `content`, sealed against every change, offset 0. */
  memoryFile(name: string, content: Uint8Array): Fd;
  /** Moves a detached mount to `target`; the descriptor stays the caller's. */
  attachMount(mount: Fd, target: string): void;
  pidfdOpen(pid: number): Fd;
  setChildSubreaper(on: boolean): void;
  setDumpable(on: boolean): void;
  /** Of the main thread, so of the process; at most 15 bytes. */
  setThreadName(name: string): void;
}

const EAGAIN = -11;
const EIO = -5;
const ENODEV = 19;
const DETACHED_STEPS = ["fsopen", "fsconfig", "fsconfig create", "fsmount"] as const;

/** The system calls of the machine, by the addon. One per process. */
export function openSys(addon: NativeAddon = nativeAddon()): RealSys {
  const poller = new DescriptorPoller(addon);
  return {
    ...descriptorCalls(addon, poller),
    ...messageCalls(addon),
    ...mountCalls(addon),
    ...terminalCalls(addon),
    ...processCalls(addon),
  };
}

/** The result, or SystemError with the object named. */
function ok(result: number, call: string, object: string | Fd, detail = ""): number {
  if (result >= 0) return result;
  throw new SystemError(call, -result, typeof object === "number" ? `fd ${object}` : object, detail);
}

function pair(make: (out: Int32Array) => number, call: string): [Fd, Fd] {
  const out = new Int32Array(2);
  ok(make(out), call, "");
  return [out[0] ?? -1, out[1] ?? -1];
}

function descriptorCalls(addon: NativeAddon, poller: DescriptorPoller) {
  return {
    pipe(options: { readonly sizeBytes?: number } = {}) {
      const [read, write] = pair((out) => addon.pipe(out, options.sizeBytes ?? 0), "pipe");
      return { read, write };
    },
    setNonBlocking(fd: Fd) {
      ok(addon.setNonBlocking(fd), "set non-blocking", fd);
    },
    dup: (fd: Fd) => ok(addon.dup(fd), "dup", fd),
    close(fd: Fd) {
      poller.forget(fd);
      ok(addon.close(fd), "close", fd);
    },
    read(fd: Fd, into: Uint8Array) {
      const got = addon.read(fd, into);
      if (got >= 0) return got;
      if (got === EAGAIN) return -1;
      // The master of a pty whose last slave is closed answers EIO: that is its end of file.
      if (got === EIO && addon.terminalNumber(fd) >= 0) return 0;
      return ok(got, "read", fd);
    },
    write(fd: Fd, from: Uint8Array) {
      const put = addon.write(fd, from);
      return put === EAGAIN ? -1 : ok(put, "write", fd);
    },
    readable: (fd: Fd) => ok(addon.readable(fd), "ioctl FIONREAD", fd),
    poll: (fd: Fd, events: "read" | "write" | "priority", signal?: AbortSignal) => poller.wait(fd, events, signal),
    openat2: (dir: Fd, path: string, flags: number, resolve: number) =>
      ok(addon.openat2(dir, path, flags, resolve), "openat2", `${path} in fd ${dir}`),
    statfsType: (fd: Fd) => ok(addon.statfsType(fd), "fstatfs", fd),
    memoryFile: (name: string, content: Uint8Array) =>
      ok(addon.memoryFile(name, content), "memfd", `${name} of ${content.length} bytes`),
  };
}

function messageCalls(addon: NativeAddon) {
  const received = new Int32Array(65);
  return {
    socketPair: (kind: "stream" | "seqpacket") =>
      pair((out) => addon.socketPair(out, kind === "seqpacket" ? 1 : 0), "socketpair"),
    sendMessage(fd: Fd, data: Uint8Array, fds: readonly Fd[] = []) {
      const sent = addon.sendMessage(fd, data, fds);
      return sent !== EAGAIN && ok(sent, "sendmsg", `fd ${fd}, ${data.length} bytes, ${fds.length} descriptors`) >= 0;
    },
    receiveMessage(fd: Fd, into: Uint8Array): SocketMessage | undefined {
      const got = addon.receiveMessage(fd, into, received);
      if (got === EAGAIN) return undefined;
      ok(got, "recvmsg", fd);
      return { data: into.subarray(0, got), fds: Array.from(received.subarray(1, 1 + (received[0] ?? 0))) };
    },
  };
}

function mountCalls(addon: NativeAddon) {
  return {
    async mount(source: string, target: string, type: string, flags: number, data: string) {
      const what = type === "" ? source : `${type} ${source}`;
      ok(await addon.mount(source, target, type, flags, data), "mount", `${what} on ${target}`);
    },
    async umount(target: string, flags: number) {
      ok(await addon.umount(target, flags), "umount", target);
    },
    detachedMount(type: string, options: readonly (readonly [string, string?])[], attributes: number): Fd {
      const flat = options.flatMap(([key, value]) => [key, value ?? null]);
      const [result, step, log] = addon.detachedMount(type, flat, attributes);
      return ok(result, DETACHED_STEPS[step] ?? "fsopen", type, log);
    },
    attachMount(mount: Fd, target: string) {
      ok(addon.attachMount(mount, target), "move_mount", `fd ${mount} to ${target}`);
    },
  };
}

function terminalCalls(addon: NativeAddon) {
  return {
    openTerminal(dir: Fd) {
      const master = addon.openTerminal(dir);
      return ok(master, "open terminal in", dir, master === -ENODEV ? "not the directory of a devpts" : "");
    },
    terminalPeer: (master: Fd) => ok(addon.terminalPeer(master), "ioctl TIOCGPTPEER", master),
    terminalNumber: (master: Fd) => ok(addon.terminalNumber(master), "ioctl TIOCGPTN", master),
    setWindowSize(fd: Fd, rows: number, columns: number) {
      ok(addon.setWindowSize(fd, rows, columns), "ioctl TIOCSWINSZ", fd);
    },
  };
}

function processCalls(addon: NativeAddon) {
  return {
    unshare(flags: number) {
      ok(addon.unshare(flags), "unshare", `0x${flags.toString(16)}`);
    },
    setns(fd: Fd, flags: number) {
      ok(addon.setns(fd, flags), "setns", fd);
    },
    sethostname(name: string) {
      ok(addon.sethostname(name), "sethostname", name);
    },
    signal(pidfd: Fd, signal: number) {
      ok(addon.pidfdSendSignal(pidfd, signal), `send signal ${signal} to`, `pidfd ${pidfd}`);
    },
    pidfdOpen: (pid: number) => ok(addon.pidfdOpen(pid), "pidfd_open", `pid ${pid}`),
    setChildSubreaper(on: boolean) {
      ok(addon.setChildSubreaper(on ? 1 : 0), "prctl PR_SET_CHILD_SUBREAPER", "");
    },
    setDumpable(on: boolean) {
      ok(addon.setDumpable(on ? 1 : 0), "prctl PR_SET_DUMPABLE", "");
    },
    setThreadName(name: string) {
      ok(addon.setThreadName(name), "prctl PR_SET_NAME", name);
    },
  };
}
