/**
 * The one file that uses private parts of Node. libuv's pipe handle takes any stream descriptor, AF_VSOCK included, which
 * the public net.Socket refuses; its constructor is reached through the handle of a socket over a socketpair. Every part
 * that is relied on is checked at the first use, and the version of Node is pinned.
 */
import net from "node:net";
import { DescriptorPoller } from "./descriptor-poller.ts";
import { AgentError, SystemError } from "./error.ts";
import type { Fd } from "./kernel.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { checked, checkedPair, EINPROGRESS } from "./sys-result.ts";

interface PipeHandle {
  readonly fd: Fd;
  open(fd: Fd): number;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  onconnection: ((status: number, client: PipeHandle | undefined) => void) | null;
}

type PipeConstructor = new (kind: 0 | 1) => PipeHandle;

const STREAM = 0;
const SERVER = 1;
const BACKLOG = 511;

/** CID and port that mean "any" to bind. */
export const VSOCK_ANY = 0xffffffff;

export interface VsockAddress {
  readonly cid: number;
  readonly port: number;
}

export interface Listener {
  /** For init to keep; stays the listener's. */
  readonly fd: Fd;
  /** Accepts no more; resolves when the descriptor is closed. Accepted sockets go on. Idempotent. */
  close(): Promise<void>;
}

/** A connection that could not be accepted. */
export type AcceptErrorListener = (error: SystemError) => void;

const warnOfAccept: AcceptErrorListener = (error) => process.emitWarning(error.message);

/** Listens on a vsock port; `peerCid` is for the caller to judge. Sockets are half-open ones and read from the start. */
export function listenVsock(
  address: VsockAddress,
  onConnection: (socket: net.Socket, peerCid: number) => void,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const addon = nativeAddon();
  const fd = bound(addon.vsockSocket(), "vsock", (it) => addon.bindVsock(it, address.cid, address.port), address);
  return adoptVsockListener(fd, onConnection, onError);
}

/** `adoptListener` for a vsock listener: with the CID of each peer. A connection that is gone already is dropped. */
export function adoptVsockListener(
  fd: Fd,
  onConnection: (socket: net.Socket, peerCid: number) => void,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const withCid = (socket: net.Socket) => {
    const cid = nativeAddon().peerCid(fdOf(socket));
    if (cid >= 0) return onConnection(socket, cid);
    socket.destroy();
    onError(new SystemError("getpeername of a connection to", -cid, `fd ${fd}`));
  };
  return adoptListener(fd, withCid, onError);
}

/** Listens on a unix socket: a path, which must not exist and stays behind on close, or `@name` for an abstract one. */
export function listenUnix(
  path: string,
  onConnection: (socket: net.Socket) => void,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const addon = nativeAddon();
  return adoptListener(
    bound(addon.unixSocket(), "unix", (it) => addon.bindUnix(it, path), path),
    onConnection,
    onError,
  );
}

/** Listens on a bound stream socket, one that listens already included. Takes the descriptor, also when it throws. */
export function adoptListener(
  fd: Fd,
  onConnection: (socket: net.Socket) => void,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const handle = openHandle(SERVER, fd);
  handle.onconnection = (status, client) => {
    if (client === undefined) onError(new SystemError("accept on", -status, `fd ${fd}`));
    else onConnection(socketOf(client));
  };
  const status = handle.listen(BACKLOG);
  if (status < 0) {
    handle.close();
    throw new SystemError("listen on", -status, `fd ${fd}`);
  }
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= new Promise((resolve) => handle.close(resolve));
    return closed;
  };
  return { fd, close };
}

/** What an adopted descriptor is good for: the ends of a pipe have one direction each. */
export type Direction = "both" | "read" | "write";

/**
 * A stream descriptor (vsock, unix, pipe, pty) as a half-open socket that reads from the start. Takes the descriptor, also
 * when it throws; makes it non-blocking. The end of a pty comes as an error with code EIO.
 */
export function adoptStream(fd: Fd, direction: Direction = "both"): net.Socket {
  return socketOf(openHandle(STREAM, fd), direction);
}

/** The descriptor of an open socket, which stays the socket's. */
export function fdOf(socket: net.Socket): Fd {
  const fd = handleOf(socket)?.fd;
  if (fd === undefined || fd < 0) throw new AgentError("failed-precondition", "descriptor of a socket: it is closed");
  return fd;
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
  const lacks = (["open", "listen", "close"] as const).filter((name) => typeof Pipe?.prototype[name] !== "function");
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
function openHandle(kind: 0 | 1, fd: Fd): PipeHandle {
  const Pipe = checkStreams();
  const addon = nativeAddon();
  // libuv aborts the process on what epoll refuses, such as a regular file; a Poll says so instead.
  const poll = new addon.Poll(fd, () => {});
  let status = poll.start(1);
  poll.close();
  if (status === 0) {
    const handle = new Pipe(kind);
    status = handle.open(fd);
    if (status === 0) return handle;
    handle.close();
  }
  addon.close(fd);
  throw new SystemError("adopt stream", -status, `fd ${fd}`);
}

function bound(fd: number, family: string, bind: (fd: Fd) => number, address: VsockAddress | string): Fd {
  checked(fd, "socket", family);
  const status = bind(fd);
  if (status >= 0) return fd;
  nativeAddon().close(fd);
  const name = typeof address === "string" ? address : `${address.cid}:${address.port}`;
  throw new SystemError("bind", -status, `${family} ${name}`);
}
