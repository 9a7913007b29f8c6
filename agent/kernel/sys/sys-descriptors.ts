import { AgentError, SystemError } from "../error.ts";
import type { Fd, PipeEnds } from "../kernel.ts";
import type { DescriptorPoller, PollEvent } from "./descriptor-poller.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked, checkedPair, EAGAIN, EIO } from "./sys-result.ts";

/** A message from a unix socket. The receiver owns the descriptors; `data` is a view of the buffer it was read into. */
export interface SocketMessage {
  readonly data: Uint8Array;
  readonly fds: readonly Fd[];
  /** Set if its descriptors were lost because this process had no free numbers. */
  readonly lost?: true;
}

/** Where a pump notes a move before it begins, and counts the bytes that have left its pipe; see agent/native/sys/pump.c. */
export interface PumpMemory {
  /** Bytes in the pipe before the move, 0 for none; `at`; the count before. */
  readonly note: Float64Array;
  readonly count: Float64Array;
  /** Number of the count in the note. */
  readonly at: number;
}

export interface PumpOptions {
  readonly from: Fd;
  /** Both ends of a pipe. */
  readonly pipe: Fd;
  readonly to: Fd;
  /** Most bytes of one move out of the pipe. */
  readonly most: number;
  readonly memory: PumpMemory;
}

/** Called once, at the end: with what broke, or with true if the source has ended. */
export type PumpEnd = (error: SystemError | undefined, isSourceEnded: boolean) => void;

/** A running pump. */
export interface Pumping {
  /** Ends it at `count` bytes. Returns true if that many were moved already; the end isn't reported then. */
  endAt(count: number): boolean;
  /** Stops moving. Must be called before the descriptors are closed; idempotent. */
  close(): void;
}

const O_PATH = 0o10000000;
const O_NONBLOCK = 0o4000;

/** Most data sent along with a descriptor: OCI runtimes send a name. */
const MAX_GREETING = 4096;

/** Length of the array for a message's descriptors: their number, then at most 64 of them. */
const RECEIVED = 1 + 64;

/** Creates the calls for pipes, reading, writing, waiting and opening. Reads and writes block only on a blocking descriptor. */
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
    /**
     * Returns false if another open file holds the lock. The lock ends when the last copy of the descriptor is closed, in
     * any process.
     */
    lock(fd: Fd) {
      const status = addon.lock(fd);
      if (status !== -EAGAIN) checked(status, "flock", fd);
      return status !== -EAGAIN;
    },
    /** Closes `fd` and rejects every `poll` on it with AgentError "canceled". */
    close(fd: Fd) {
      poller.forget(fd);
      checked(addon.close(fd), "close", fd);
    },
    read(fd: Fd, into: Uint8Array) {
      const got = addon.read(fd, into);
      if (got >= 0) return got;
      if (got === -EAGAIN) return -1;
      // A pty master whose last slave is closed returns EIO: its end of file.
      if (got === -EIO && addon.terminalNumber(fd) >= 0) return 0;
      return checked(got, "read", fd);
    },
    write(fd: Fd, from: Uint8Array) {
      const put = addon.write(fd, from);
      return put === -EAGAIN ? -1 : checked(put, "write", fd);
    },
    writeNoted(fd: Fd, from: Uint8Array, note: Int32Array) {
      const put = addon.writeNoted(fd, from, note);
      return put === -EAGAIN ? -1 : checked(put, "write", fd);
    },
    /**
     * Receives from a stream socket into `region` after its first HEADER_BYTES, where the kernel writes the count before the call
     * returns.
     */
    receive(fd: Fd, region: Uint8Array) {
      const got = addon.receive(fd, region);
      return got === -EAGAIN ? -1 : checked(got, "recvmmsg", fd);
    },
    /** Sends `length` bytes of a region like that of `receive`. */
    send(fd: Fd, region: Uint8Array, length: number) {
      const put = addon.send(fd, region, length);
      return put === -EAGAIN ? -1 : checked(put, "sendmmsg", fd);
    },
    hungUp: (fd: Fd) => checked(addon.hungUp(fd), "poll", fd) === 1,
    resizePipe(fd: Fd, sizeBytes: number) {
      checked(addon.resizePipe(fd, sizeBytes), "fcntl F_SETPIPE_SZ", fd);
    },
    splice(from: Fd, to: Fd, length: number) {
      const moved = addon.splice(from, to, length);
      return moved === -EAGAIN ? -1 : checked(moved, "splice", `fd ${from} to fd ${to}`);
    },
    spliceAt(from: Fd, to: Fd, length: number, offset: number) {
      const moved = addon.spliceAt(from, to, length, offset);
      return moved === -EAGAIN ? -1 : checked(moved, "splice", `fd ${from} to fd ${to}`);
    },
    /** Moves bytes between two sockets through a pipe, in the event loop but without JavaScript. All are non-blocking. */
    pump({ from, pipe, to, most, memory }: PumpOptions, onEnd: PumpEnd): Pumping {
      const failed = (status: number) => new SystemError("splice", -status, `fd ${from} to fd ${to}`);
      const { note, count, at } = memory;
      const pump = new addon.Pump([from, pipe, to], most, note, count, at, (status, ended) => {
        pump.close();
        onEnd(status < 0 ? failed(status) : undefined, ended === 1);
      });
      const status = pump.start();
      if (status < 0) pump.close();
      if (status < 0) throw failed(status);
      return { endAt: (total) => pump.endAt(total) === 1, close: () => void pump.close() };
    },
    tee(from: Fd, to: Fd, length: number) {
      const copied = addon.tee(from, to, length);
      return copied === -EAGAIN ? -1 : checked(copied, "tee", `fd ${from} to fd ${to}`);
    },
    sendFrames(from: Fd, through: PipeEnds, to: Fd, length: number, most: number, headers: Uint8Array) {
      const sent = addon.sendFrames([from, through.write, through.read, to], length, most, headers);
      return sent === -EAGAIN ? -1 : checked(sent, "send frames", `fd ${from} to fd ${to}`);
    },
    readable: (fd: Fd) => checked(addon.readable(fd), "ioctl FIONREAD", fd),
    /** Returns true if a procfs file has changed since the last call. */
    changed: (fd: Fd) => checked(addon.changed(fd), "poll", fd) === 1,
    poll: (fd: Fd, event: PollEvent, signal?: AbortSignal) => poller.wait(fd, event, signal),
    /**
     * Calls `onReady` whenever `fd` is readable, until the returned function is called or `fd` is closed. An error thrown by
     * `onReady` ends the watch and goes to `onLost`.
     */
    watch: (fd: Fd, onReady: () => void, onLost: (error: unknown) => void) => poller.watch(fd, onReady, onLost),
    /** Calls `onChange` now and whenever more can be read, or the other side is closed; otherwise like `watch`. */
    watchChanges: (fd: Fd, onChange: () => void, onLost: (error: unknown) => void) =>
      poller.watch(fd, onChange, onLost, "changes"),
    /** Adds O_NONBLOCK, so that a FIFO among a container's files can't block the agent. Never creates a file. */
    openat2(dir: Fd, path: string, flags: number, resolve: number) {
      const ours = (flags & O_PATH) === 0 ? flags | O_NONBLOCK : flags;
      return checked(addon.openat2(dir, path, ours, resolve), "openat2", `${path} in fd ${dir}`);
    },
    async openInside(dir: Fd, path: string, flags: number, resolve: number): Promise<Fd> {
      const ours = (flags & O_PATH) === 0 ? flags | O_NONBLOCK : flags;
      return checked(await addon.openInside(dir, path, ours, resolve), "open", path);
    },
    makeNode(dir: Fd, name: string, mode: number, major: number, minor: number) {
      checked(addon.makeNode(dir, name, mode, major, minor), "mknod", `${name} in fd ${dir}`);
    },
    setXattr(fd: Fd, name: string, value: Uint8Array) {
      checked(addon.setXattr(fd, name, value), "setxattr", `${name} of fd ${fd}`);
    },
    /** Creates a memfd with `content`, sealed against every change, at offset 0. */
    memoryFile: (name: string, content: Uint8Array) =>
      checked(addon.memoryFile(name, content), "memfd", `${name} of ${content.length} bytes`),
    /** Shuts a connection down both ways, even if other processes hold copies; a lost connection is fine. */
    endConnection: (fd: Fd) => void addon.endConnection(fd),
    /** Returns the peer's port of a vsock connection. */
    peerPort: (fd: Fd) => checked(addon.peerPort(fd), "getpeername", fd),
    /** Maps the first `length` bytes of a file as shared memory, which outlives this process with the file. */
    mapShared(fd: Fd, length: number): ArrayBuffer {
      const memory = addon.mapShared(fd, length);
      if (typeof memory !== "number") return memory;
      throw new SystemError("mmap", -memory, `fd ${fd}`);
    },
  };
}

/** Creates the calls for unix sockets that receive one descriptor from a peer. */
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

/** Creates the calls for messages with descriptors over unix sockets; none of them waits. */
export function messageCalls(addon: NativeAddon) {
  const received = new Int32Array(RECEIVED);
  return {
    /** Creates a blocking, close-on-exec unix socketpair. */
    socketPair: (kind: "stream" | "seqpacket") =>
      checkedPair((out) => addon.socketPair(out, kind === "seqpacket" ? 1 : 0), "socketpair"),
    /** Returns true if sent, false if the socket's buffer is full. Up to 64 descriptors, which the caller keeps owning. */
    sendMessage(fd: Fd, data: Uint8Array, fds: readonly Fd[] = []) {
      const sent = addon.sendMessage(fd, data, fds);
      if (sent === -EAGAIN) return false;
      checked(sent, "sendmsg", `fd ${fd} with ${data.length} bytes and ${fds.length} descriptors`);
      return true;
    },
    /**
     * Returns the next message, undefined if there is none yet; empty data means end of file. A message that is longer than
     * `into` or has more than 64 descriptors is lost and throws EMSGSIZE.
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
