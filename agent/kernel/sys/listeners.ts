import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import { throttle } from "../throttle.ts";
import { DescriptorPoller } from "./descriptor-poller.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { checked, EAGAIN } from "./sys-result.ts";

/** Connections that can wait while no agent runs; the kernel's maximum. */
const BACKLOG = 4096;
/** Most connections accepted in one turn of the event loop. */
const BATCH = 64;
/** Pause before accepting again after an error, such as running out of descriptors. */
const PAUSE_MS = 100;
const ECONNABORTED = 103;

/** CID or port that means "any" in bind. */
export const VSOCK_ANY = 0xffffffff;

export interface VsockAddress {
  readonly cid: number;
  readonly port: number;
}

export interface Listener {
  /** Descriptor for init to keep a copy of; the listener keeps owning it. */
  readonly fd: Fd;
  /** Stops accepting and closes the descriptor. Accepted sockets stay open. Idempotent. */
  close(): Promise<void>;
}

/**
 * Takes ownership of a connection, a non-blocking stream, even if it throws. `peerCid` is the CID of a vsock peer; whether the
 * peer is allowed is the receiver's decision.
 */
export type ConnectionListener = (fd: Fd, peerCid?: number) => void;

/** Called with the reason why a connection couldn't be accepted or served, at most once per second. */
export type AcceptErrorListener = (error: unknown) => void;

const warnOfFailure: AcceptErrorListener = (error) =>
  process.emitWarning(error instanceof Error ? error.message : String(error));

/** Listens on a vsock port. */
export function listenVsock(
  address: VsockAddress,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfFailure,
): Listener {
  return adoptVsockListener(bindVsock(address), onConnection, onError);
}

/** Binds a socket to a vsock port; connections are refused until it listens. */
export function bindVsock(address: VsockAddress): Fd {
  const addon = nativeAddon();
  return bound(addon.vsockSocket(), "vsock", (it) => addon.bindVsock(it, address.cid, address.port), address);
}

/** Works like `adoptListener` for a vsock socket, and passes each peer's CID. Drops a connection that is already gone. */
export function adoptVsockListener(
  fd: Fd,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfFailure,
): Listener {
  const deliverWithCid = (connection: Fd) => {
    const cid = nativeAddon().peerCid(connection);
    if (cid >= 0) {
      onConnection(connection, cid);
      return;
    }
    nativeAddon().close(connection);
    onError(new SystemError("getpeername of a connection to", -cid, `fd ${fd}`));
  };
  return adoptListener(fd, deliverWithCid, onError);
}

/** Listens on a unix socket: a path, which must not exist and isn't removed on close, or `@name` for an abstract socket. */
export function listenUnix(
  path: string,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfFailure,
): Listener {
  return adoptListener(bindUnix(path), onConnection, onError);
}

/** Binds a unix socket as `listenUnix` does, without listening. */
export function bindUnix(path: string): Fd {
  const addon = nativeAddon();
  return bound(addon.unixSocket(), "unix", (it) => addon.bindUnix(it, path), path);
}

/** Listens on a bound stream socket, which may already be listening. Takes ownership of the descriptor, even if it throws. */
export function adoptListener(
  fd: Fd,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfFailure,
): Listener {
  return new AcceptingListener(nativeAddon(), startListening(fd), onConnection, onError);
}

/** Lets connections to a bound socket wait until it is adopted. Returns the descriptor; closes it if it throws. */
export function startListening(fd: Fd): Fd {
  const addon = nativeAddon();
  const status = addon.listen(fd, BACKLOG);
  if (status >= 0) return fd;
  addon.close(fd);
  throw new SystemError("listen on", -status, `fd ${fd}`);
}

class AcceptingListener implements Listener {
  readonly fd: Fd;
  readonly #addon: NativeAddon;
  readonly #poller: DescriptorPoller;
  readonly #onConnection: ConnectionListener;
  readonly #onError: AcceptErrorListener;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(addon: NativeAddon, fd: Fd, onConnection: ConnectionListener, onError: AcceptErrorListener) {
    this.fd = fd;
    this.#addon = addon;
    this.#poller = new DescriptorPoller(addon);
    this.#onConnection = onConnection;
    this.#onError = throttle(onError);
    this.#watch();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#poller.forget(this.fd);
    this.#addon.close(this.fd);
  }

  #watch(): void {
    try {
      this.#poller.watch(
        this.fd,
        () => this.#accept(),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #accept(): void {
    for (let count = 0; count < BATCH && !this.#closed; count++) {
      const connection = this.#addon.accept(this.fd);
      if (connection === -EAGAIN) return;
      if (connection >= 0) this.#deliver(connection);
      else if (connection !== -ECONNABORTED) {
        this.#fail(new SystemError("accept on", -connection, `fd ${this.fd}`));
        return;
      }
    }
  }

  /** Hands a connection to the receiver, which owns the descriptor and has closed it if it throws. */
  #deliver(connection: Fd): void {
    try {
      this.#onConnection(connection);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Pauses accepting: pending connections keep waiting, and an immediate retry would fail the same way. */
  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#poller.forget(this.fd);
    this.#pause = setTimeout(() => this.#watch(), PAUSE_MS);
    this.#onError(error);
  }
}

function bound(fd: number, family: string, bind: (fd: Fd) => number, address: VsockAddress | string): Fd {
  checked(fd, "socket", family);
  const status = bind(fd);
  if (status >= 0) return fd;
  nativeAddon().close(fd);
  const name = typeof address === "string" ? address : `${address.cid}:${address.port}`;
  throw new SystemError("bind", -status, `${family} ${name}`);
}
