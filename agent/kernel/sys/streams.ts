/**
 * The one file that uses private parts of Node. libuv's pipe handle takes any stream descriptor, AF_VSOCK included, which
 * the public net.Socket refuses; its constructor is reached through the handle of a socket over a socketpair. Every part
 * that is relied on is checked at the first use, and the version of Node is pinned.
 */
import net from "node:net";
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

/** What an adopted descriptor is good for: the ends of a pipe have one direction each. */
export type Direction = "both" | "read" | "write";

/**
 * A stream descriptor (vsock, unix, pipe, pty) as a half-open socket that reads from the start. Takes the descriptor, also
 * when it throws; makes it non-blocking. The end of a pty comes as an error with code EIO.
 */
export function adoptStream(fd: Fd, direction: Direction = "both"): net.Socket {
  return socketOf(openHandle(fd), direction);
}

/** The descriptor of an open socket, which stays the socket's. */
export function fdOf(socket: net.Socket): Fd {
  const fd = handleOf(socket)?.fd;
  if (fd === undefined || fd < 0) throw new AgentError("failed-precondition", "descriptor of a socket: it is closed");
  return fd;
}

/**
 * Has places for these streams in libuv's epoll set, before its next turn asks for them: it aborts the process when the kernel
 * refuses. False when one is refused; all of them are closed then.
 */
export function reserveWatches(streams: readonly (Stream | null)[]): boolean {
  const sockets = streams.filter((stream) => stream instanceof net.Socket);
  const reserved = sockets.every((socket) => nativeAddon().reserveWatch(fdOf(socket)) === 0);
  if (!reserved) for (const socket of sockets) socket.destroy();
  return reserved;
}

/** Connects to a vsock port; rejects with SystemError, or the signal's reason. The kernel gives up after 2 s. */
export async function connectVsock(
  address: VsockAddress,
  signal?: AbortSignal,
  addon: NativeAddon = nativeAddon(),
): Promise<net.Socket> {
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

/** Throws one line when this Node lacks a private part that this file relies on. Every other function calls it. */
export function checkStreams(): PipeConstructor {
  pipeConstructor ??= findPipeConstructor();
  return pipeConstructor;
}

let pipeConstructor: PipeConstructor | undefined;

function findPipeConstructor(): PipeConstructor {
  const addon = nativeAddon();
  const [ours, other] = checkedPair((out) => addon.socketPair(out, 0), "socketpair");
  const probe = new net.Socket({ fd: ours, readable: false, writable: false });
  try {
    return pipeConstructorOf(handleOf(probe), other);
  } finally {
    probe.destroy();
  }
}

/** Checks the handle of a socket over `fd`'s pair, and takes `fd` to try its constructor. Exported for its test. */
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

function handleOf(socket: net.Socket): PipeHandle | null | undefined {
  return (socket as net.Socket & { readonly _handle?: PipeHandle | null })._handle;
}

function socketOf(handle: PipeHandle, direction: Direction = "both"): net.Socket {
  const options: object = {
    handle,
    allowHalfOpen: true,
    readable: direction !== "write",
    writable: direction !== "read",
  };
  return new net.Socket(options);
}

/** A handle that owns `fd`; on failure `fd` is closed. */
function openHandle(fd: Fd): PipeHandle {
  const Pipe = checkStreams();
  const addon = nativeAddon();
  // libuv aborts the process on what epoll refuses, such as a regular file; a Poll says so instead.
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
