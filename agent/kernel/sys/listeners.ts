import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import { seldom } from "../seldom.ts";
import { DescriptorPoller } from "./descriptor-poller.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { checked, EAGAIN } from "./sys-result.ts";

/** Connections that wait while no agent runs; the kernel allows no more. */
const BACKLOG = 4096;
/** Accepted in one turn of the event loop. */
const BATCH = 64;
/** When descriptors have run out. */
const PAUSE_MS = 100;
const ECONNABORTED = 103;

/** CID and port that mean "any" to bind. */
export const VSOCK_ANY = 0xffffffff;

export interface VsockAddress {
  readonly cid: number;
  readonly port: number;
}

export interface Listener {
  /** For init to keep; stays the listener's. */
  readonly fd: Fd;
  /** Accepts no more and closes the descriptor. Accepted sockets go on. Idempotent. */
  close(): Promise<void>;
}

/**
 * Takes a connection, a non-blocking stream, also when it throws. The CID of the other side for vsock; it is for the receiver
 * to judge.
 */
export type ConnectionListener = (fd: Fd, peerCid?: number) => void;

/** Hears why a connection could not be accepted or served: one error each second at most. */
export type AcceptErrorListener = (error: unknown) => void;

const warnOfAccept: AcceptErrorListener = (error) =>
  process.emitWarning(error instanceof Error ? error.message : String(error));

/** Listens on a vsock port. */
export function listenVsock(
  address: VsockAddress,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  return adoptVsockListener(bindVsock(address), onConnection, onError);
}

/** A socket that is bound to the port; connections to it are refused until it listens. */
export function bindVsock(address: VsockAddress): Fd {
  const addon = nativeAddon();
  return bound(addon.vsockSocket(), "vsock", (it) => addon.bindVsock(it, address.cid, address.port), address);
}

/** `adoptListener` for a vsock listener: with the CID of each peer. A connection that is gone already is dropped. */
export function adoptVsockListener(
  fd: Fd,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const withCid = (connection: Fd) => {
    const cid = nativeAddon().peerCid(connection);
    if (cid >= 0) {
      onConnection(connection, cid);
      return;
    }
    nativeAddon().close(connection);
    onError(new SystemError("getpeername of a connection to", -cid, `fd ${fd}`));
  };
  return adoptListener(fd, withCid, onError);
}

/** Listens on a unix socket: a path, which must not exist and stays behind on close, or `@name` for an abstract one. */
export function listenUnix(
  path: string,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  return adoptListener(bindUnix(path), onConnection, onError);
}

/** The same, bound only. */
export function bindUnix(path: string): Fd {
  const addon = nativeAddon();
  return bound(addon.unixSocket(), "unix", (it) => addon.bindUnix(it, path), path);
}

/** Listens on a bound stream socket, one that listens already included. Takes the descriptor, also when it throws. */
export function adoptListener(
  fd: Fd,
  onConnection: ConnectionListener,
  onError: AcceptErrorListener = warnOfAccept,
): Listener {
  const addon = nativeAddon();
  const status = addon.listen(fd, BACKLOG);
  if (status < 0) {
    addon.close(fd);
    throw new SystemError("listen on", -status, `fd ${fd}`);
  }
  return new AcceptingListener(addon, fd, onConnection, onError);
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
    this.#onError = seldom(onError);
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
      if (connection >= 0) this.#handOn(connection);
      else if (connection !== -ECONNABORTED) {
        this.#fail(new SystemError("accept on", -connection, `fd ${this.fd}`));
        return;
      }
    }
  }

  /** A connection that can't be served ends; the descriptor is the receiver's, who has closed it. */
  #handOn(connection: Fd): void {
    try {
      this.#onConnection(connection);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** What waits goes on waiting; asked at once again, the kernel would say the same. */
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
