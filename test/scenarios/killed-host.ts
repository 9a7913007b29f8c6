import { setTimeout as sleep } from "node:timers/promises";
import { oneContainer, openHost, terminalContainer, threeContainers } from "../hosts/host-life.ts";
import type { HostKind } from "../hosts/host-spec.ts";
import { hosts } from "../hosts/hosts.ts";
import type { HostOptions, KataHost } from "../hosts/kata-host.ts";
import { manyOutputs } from "../hosts/many-outputs.ts";
import { lastMessage } from "../hosts/sized-life.ts";
import type { Machine } from "./machine.ts";
import type { OpenLine } from "./open-line.ts";

type Piece = (machine: Machine, kind: HostKind, host: KataHost) => Promise<void>;

/** What a host does with its sandbox after its first pod. */
const PIECES: readonly Piece[] = [
  oneContainer,
  (machine, kind, host) => manyOutputs(machine, kind, host, { echoes: 4, bursts: 4, containers: 2 }),
  (machine, kind, host) => threeContainers(machine, kind, host, false),
  terminalContainer,
  lastMessage,
];

/** Without KVM, and with all that the load asks of it, a guest takes longer than shims wait. */
const GUEST: HostOptions = { patience: 10, checkEveryMs: 2000 };

/** One simulated shim on its one connection, whose whole life no death of the agent may disturb. */
export class KilledHost {
  readonly kind: HostKind;
  readonly #machine: Machine;
  readonly #host: KataHost;
  #next: number;

  private constructor(machine: Machine, kind: HostKind, host: KataHost, first: number) {
    this.#machine = machine;
    this.kind = kind;
    this.#host = host;
    this.#next = first;
  }

  /** Opens a sandbox and runs a pod with a shared pid namespace. The seed decides which shim it is. `connected`: kills may begin. */
  static async open(given: Machine, seed: number, connected: () => void): Promise<KilledHost> {
    const machine = again(given);
    const simulated = hosts[seed % hosts.length];
    if (simulated === undefined) throw new Error(`no host for seed ${seed}`);
    const [kind, make] = simulated;
    const client = await machine.connect();
    await client.health.check({}); // the agent keeps only connections on which a byte has come
    connected();
    const host = await openHost({ ...machine, connect: async () => client }, make, machine.real ? GUEST : {});
    await threeContainers(machine, kind, host, true);
    return new KilledHost(machine, kind, host, seed >> 1);
  }

  /** Of calls, and whether the connection was closed. */
  get counts(): OpenLine["counts"] {
    const { counts } = this.#host.calls;
    return { ...counts, closed: Math.min(counts.closed, 1) };
  }

  /** Calls without an answer so far. */
  get open(): readonly string[] {
    return this.#host.calls.open;
  }

  /** One piece at least, and further ones until it is stopped. */
  async live(stopped: () => boolean, done: () => void): Promise<void> {
    do {
      await PIECES[this.#next++ % PIECES.length]?.(this.#machine, this.kind, this.#host);
      done();
    } while (!stopped());
  }

  end(): Promise<void> {
    return this.#host.end();
  }
}

/** A machine on which the same root file system may be asked for again, and whose shell may die with the agent. */
function again(machine: Machine): Machine {
  const made = new Map<string, string>();
  return {
    ...machine,
    rootfs(name) {
      const path = made.get(name) ?? machine.rootfs(name);
      made.set(name, path);
      return path;
    },
    shell: (command) => fromShell(machine, command),
  };
}

/** A guest's console ends with the agent, which serves it. */
export async function fromShell(machine: Machine, command: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await machine.shell(command);
    } catch (error) {
      if (tries === 20) throw error;
      await sleep(250);
    }
  }
}
