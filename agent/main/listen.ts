import { AgentError } from "../kernel/error.ts";
import type { Init } from "../kernel/kernel.ts";
import {
  adoptListener,
  adoptVsockListener,
  type ConnectionListener,
  type Listener,
  listenUnix,
  listenVsock,
  VSOCK_ANY,
} from "../kernel/listeners.ts";

/**
 * Listens on `vsock://<cid>:<port>` (-1: any CID), `unix:///path` or `unix://@name`. The descriptor is left with init,
 * so that connections wait in its backlog while no agent runs; the next agent takes it back.
 */
export function listen(init: Init, address: string, onConnection: ConnectionListener): Listener {
  const name = depositName(address);
  const kept = init.greeting.deposits.get(name);
  const vsock = /^vsock:\/\/(-?\d+):(\d+)$/.exec(address);
  if (vsock !== null) {
    if (kept !== undefined) return adoptVsockListener(kept, onConnection);
    const [cid, port] = [Number(vsock[1]), Number(vsock[2])];
    return deposited(init, name, listenVsock({ cid: cid < 0 ? VSOCK_ANY : cid, port }, onConnection));
  }
  if (!address.startsWith("unix://")) throw new AgentError("invalid-argument", `listen on ${address}: unknown scheme`);
  if (kept !== undefined) return adoptListener(kept, onConnection);
  return deposited(init, name, listenUnix(address.slice("unix://".length), onConnection));
}

/** True if an agent before this one listened there, under the same init. */
export function isKept(init: Init, address: string): boolean {
  return init.greeting.deposits.has(depositName(address));
}

function depositName(address: string): string {
  return `listener ${address}`.slice(0, 100);
}

function deposited(init: Init, name: string, listener: Listener): Listener {
  init.deposit(name, listener.fd);
  return listener;
}
