import { AgentError } from "../kernel/error.ts";
import type { Fd, Init } from "../kernel/kernel.ts";
import {
  adoptListener,
  adoptVsockListener,
  bindUnix,
  bindVsock,
  type ConnectionListener,
  type Listener,
  VSOCK_ANY,
} from "../kernel/sys/listeners.ts";
import type { Options } from "./options.ts";

/** VMADDR_CID_HOST. */
export const HOST_CID = 2;

/** Where init's relay connects the host to a port of a guest that is reached by a channel (docs/channel.md). */
const CHANNEL_FOLDER = "/run/guestd/channel";

/** Returns the address of a port on which a listener serves the host alone. */
export function hostAddress({ channel }: Pick<Options, "channel">, port: number): string {
  return channel === "" ? `vsock://-1:${port}` : `unix://${CHANNEL_FOLDER}/${port}`;
}

/** Returns the address of the API: that of the options, or its port's socket if the host has only the channel. */
export function apiAddress(options: Pick<Options, "channel" | "serverAddress">): string {
  const port = /^vsock:\/\/-1:(\d+)$/.exec(options.serverAddress)?.[1];
  return port === undefined ? options.serverAddress : hostAddress(options, Number(port));
}

/** Listens on an address, as `listen` does. */
export type ListenOn = (address: string, onConnection: ConnectionListener) => Listener;

/**
 * Listens on `vsock://<cid>:<port>` (-1: any CID), `unix:///path` or `unix://@name`. Deposits the descriptor with init, so that
 * connections wait in its backlog while no agent runs and the next agent takes it back. `bound` is a socket from `bindTo`, if any.
 */
export function listen(init: Init, address: string, onConnection: ConnectionListener, bound?: Fd): Listener {
  const adopt = address.startsWith("vsock://") ? adoptVsockListener : adoptListener;
  const name = depositName(address);
  const kept = init.greeting.deposits.get(name);
  if (kept !== undefined) return adopt(kept, onConnection);
  const listener = adopt(bound ?? bindTo(address), onConnection);
  init.deposit(name, listener.fd);
  return listener;
}

/** Returns a socket bound to an address in `listen`'s notation. */
export function bindTo(address: string): Fd {
  const vsock = /^vsock:\/\/(-?\d+):(\d+)$/.exec(address);
  if (vsock !== null) {
    const [cid, port] = [Number(vsock[1]), Number(vsock[2])];
    return bindVsock({ cid: cid < 0 ? VSOCK_ANY : cid, port });
  }
  if (!address.startsWith("unix://")) throw new AgentError("invalid-argument", `listen on ${address}: unknown scheme`);
  return bindUnix(address.slice("unix://".length));
}

/** True if an earlier agent of the same init listened there. */
export function isKept(init: Init, address: string): boolean {
  return init.greeting.deposits.has(depositName(address));
}

function depositName(address: string): string {
  return `listener ${address}`.slice(0, 100);
}
