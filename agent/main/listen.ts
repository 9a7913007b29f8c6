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

/** Listens on an address, as `listen` does. */
export type ListenOn = (address: string, onConnection: ConnectionListener) => Listener;

/**
 * Listens on `vsock://<cid>:<port>` (-1: any CID), `unix:///path` or `unix://@name`. The descriptor is left with init,
 * so that connections wait in its backlog while no agent runs; the next agent takes it back. `bound`: what `bindTo` gave for it.
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

/** A socket that is bound to an address as `listen` takes it. */
export function bindTo(address: string): Fd {
  const vsock = /^vsock:\/\/(-?\d+):(\d+)$/.exec(address);
  if (vsock !== null) {
    const [cid, port] = [Number(vsock[1]), Number(vsock[2])];
    return bindVsock({ cid: cid < 0 ? VSOCK_ANY : cid, port });
  }
  if (!address.startsWith("unix://")) throw new AgentError("invalid-argument", `listen on ${address}: unknown scheme`);
  return bindUnix(address.slice("unix://".length));
}

/** True if an agent before this one listened there, under the same init. */
export function isKept(init: Init, address: string): boolean {
  return init.greeting.deposits.has(depositName(address));
}

function depositName(address: string): string {
  return `listener ${address}`.slice(0, 100);
}
