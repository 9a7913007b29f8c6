/**
 * The only file that uses private parts of Node. libuv's pipe handle accepts any stream descriptor, including AF_VSOCK, which
 * the public net.Socket refuses; its constructor is found through the handle of a socket on a socketpair. Every private part
 * is checked at first use, and the version of Node is pinned.
 */
import { Socket } from "node:net";
import type { Stream } from "node:stream";
import { AgentError, SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import { DescriptorPoller } from "./descriptor-poller.ts";
import type { VsockAddress } from "./listeners.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { checked, checkedPair, EINPROGRESS } from "./sys-result.ts";

interface PipeHandle {
  readonly fd: Fd;
  open(fd: Fd): number;
  close(callback?: () => void): void;
}

type PipeConstructor = new (kind: 0) => PipeHandle;

const STREAM = 0;

/** Directions of an adopted descriptor; each end of a pipe has only one. */
export type Direction = "both" | "read" | "write";

/**
 * Wraps a stream descriptor (vsock, unix, pipe, pty) in a socket that allows half-open connections and reads at once. Takes
 * ownership of the descriptor, even if it throws, and makes it non-blocking. The end of a pty is an error with code EIO.
 */
export function adoptStream(fd: Fd, direction: Direction = "both"): Socket {
  return socketOf(openHandle(fd), direction);
}

/** Returns the descriptor of an open socket, which keeps owning it. */
export function fdOf(socket: Socket): Fd {
  const fd = handleOf(socket)?.fd;
  if (fd === undefined || fd < 0)
    throw new AgentError("failed-precondition", "get the descriptor of a socket: the socket is closed");
  return fd;
}

/**
 * Adds streams to libuv's epoll set before its next turn does: libuv aborts the process if the kernel refuses. Returns false
 * and destroys all of them if one is refused.
 */
export function reserveWatches(streams: readonly (Stream | null)[]): boolean {
  const sockets = streams.filter((stream) => stream instanceof Socket);
  const reserved = sockets.every((socket) => nativeAddon().reserveWatch(fdOf(socket)) === 0);
  if (!reserved) for (const socket of sockets) socket.destroy();
  return reserved;
}

/** Connects to a vsock port; rejects with SystemError or the signal's reason. The kernel times out after 2 s. */
export async function connectVsock(
  address: VsockAddress,
  signal?: AbortSignal,
  addon: NativeAddon = nativeAddon(),
): Promise<Socket> {
  const name = `vsock ${address.cid}:${address.port}`;
  const fd = checked(addon.vsockSocket(), "socket", "vsock");
  try {
    const status = addon.connectVsock(fd, address.cid, address.port);
    if (status === -EINPROGRESS) {
      await new DescriptorPoller(addon).wait(fd, "write", signal);
      checked(addon.socketError(fd), "connect", name);
    } else checked(status, "connect", name);
  } catch (error) {
    addon.close(fd);
    throw error;
  }
  return adoptStream(fd);
}

/** Throws one line if this Node lacks a private part that this file uses. Every other function calls it. */
export function checkStreams(): PipeConstructor {
  pipeConstructor ??= findPipeConstructor();
  return pipeConstructor;
}

let pipeConstructor: PipeConstructor | undefined;

function findPipeConstructor(): PipeConstructor {
  const addon = nativeAddon();
  const [ours, other] = checkedPair((out) => addon.socketPair(out, 0), "socketpair");
  const probe = new Socket({ fd: ours, readable: false, writable: false });
  try {
    return pipeConstructorOf(handleOf(probe), other);
  } finally {
    probe.destroy();
  }
}

/** Checks the handle of a socket and tries its constructor on `fd`, of which it takes ownership. Exported for its test. */
export function pipeConstructorOf(handle: object | null | undefined, fd: Fd): PipeConstructor {
  const Pipe = handle?.constructor as PipeConstructor | undefined;
  const lacks = (["open", "close"] as const).filter((name) => typeof Pipe?.prototype[name] !== "function");
  if (Pipe?.name !== "Pipe" || lacks.length > 0) {
    nativeAddon().close(fd);
    throw unusable(lacks.length > 0 ? `its pipe handle lacks ${lacks.join(", ")}` : "no pipe handle");
  }
  const trial = new Pipe(STREAM);
  const status = trial.open(fd);
  const seen = trial.fd;
  trial.close();
  if (status !== 0 || seen !== fd) throw unusable(`opening fd ${fd} gave ${status} and fd ${seen}`);
  return Pipe;
}

function unusable(why: string): AgentError {
  return new AgentError("internal", `streams: Node ${process.version} cannot adopt descriptors: ${why}; use Node 24`);
}

function handleOf(socket: Socket): PipeHandle | null | undefined {
  return (socket as Socket & { readonly _handle?: PipeHandle | null })._handle;
}

function socketOf(handle: PipeHandle, direction: Direction = "both"): Socket {
  const options: object = {
    handle,
    allowHalfOpen: true,
    readable: direction !== "write",
    writable: direction !== "read",
  };
  return new Socket(options);
}

/** Opens a handle that owns `fd`; closes `fd` on failure. */
function openHandle(fd: Fd): PipeHandle {
  const Pipe = checkStreams();
  const addon = nativeAddon();
  // libuv aborts the process if epoll refuses a descriptor, such as a regular file; a Poll returns the error instead.
  const poll = new addon.Poll(fd, () => {});
  let status = poll.start(1);
  poll.close();
  if (status === 0) status = addon.reserveWatch(fd);
  if (status === 0) {
    const handle = new Pipe(STREAM);
    status = handle.open(fd);
    if (status === 0) return handle;
    handle.close();
  }
  addon.close(fd);
  throw new SystemError("adopt stream", -status, `fd ${fd}`);
}
