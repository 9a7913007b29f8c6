import type { guestd } from "../../../proto/gen/messages.js";
import { writeEpoch } from "../../guest/warm-start/epoch-file.ts";
import { settleMemory } from "../../guest/warm-start/settle-memory.ts";
import type { WarmStore } from "../../guest/warm-start/warm-record.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { publishEvent } from "../../kernel/lifecycle.ts";
import { Lock } from "../../kernel/wait/lock.ts";
import type { Network } from "../../network/network.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { type CloneIdentity, checkEntropy, checkResumed } from "./check-resumed.ts";
import { CreationGate } from "./creation-gate.ts";
import { addEntropy, setClock, setIdentity } from "./set-identity.ts";
import { type ClientUse, type SnapshotLoss, snapshotLosses } from "./snapshot-losses.ts";

/** Limit for the end of calls that were begun before Quiesce, and for freezing containers. */
const DRAIN_MS = 10_000;

export interface WarmStartParts {
  readonly store: WarmStore;
  /** File that programs in containers may watch. */
  readonly epochPath: string;
  /** Refuses creations until the first Resumed. */
  readonly isTemplate: boolean;
  /** Number of this agent. */
  readonly generation: number;
  /** The guest has the kernel to itself, so that everything in memory is its own. */
  readonly ownsKernel: boolean;
  readonly kernel: Pick<Kernel, "sys" | "files">;
  readonly sandbox: Pick<Sandbox, "containers" | "find" | "rename" | "updateDns">;
  readonly network: Network;
  clients(): ClientUse;
  /** Returns this agent's free memory to the kernel. */
  trim(): void;
  /** Gives the streams of processes a new epoch, from the next agent on. */
  renewStreams(): void;
  /** Ends this agent at once, as if it were killed. */
  end(): void;
}

/** Prepares the guest for a snapshot, and continues afterwards: the same guest, or a clone. */
export class WarmStart {
  /** Closed from Quiesce to Resumed, and in a template until the first Resumed. */
  readonly gate: CreationGate;
  readonly #parts: WarmStartParts;
  readonly #lock = new Lock();
  /** Connections that were open when this agent answered Quiesce. */
  readonly #old = new WeakSet<object>();

  constructor(parts: WarmStartParts) {
    this.#parts = parts;
    this.gate = new CreationGate(() => this.#closedBecause());
    writeEpoch(parts.epochPath, parts.store.record.epoch);
  }

  /** Closes the gate, waits for what is inside, and settles the guest. A failure leaves everything as it was. */
  quiesce({ freeze_containers }: guestd.v1.QuiesceRequest): Promise<{ epoch: number; losses: SnapshotLoss[] }> {
    return this.#lock.run(async () => {
      const { store, kernel, ownsKernel } = this.#parts;
      const before = store.record;
      if (before.becoming !== undefined || before.setBy !== undefined) {
        const epoch = before.becoming ?? before.epoch;
        const line = `quiesce: the guest is becoming the clone of epoch ${epoch}; repeat its Resumed first`;
        throw new AgentError("failed-precondition", line);
      }
      store.write({ ...before, quiesced: true });
      try {
        await within(this.gate.emptied(), DRAIN_MS);
        if (freeze_containers) await this.#freeze();
        this.#parts.trim();
        if (ownsKernel) await settleMemory(kernel.sys, kernel.files);
      } catch (error) {
        await this.#thaw(before.frozen);
        store.write(before);
        throw error;
      }
      const clients = this.#parts.clients();
      for (const connection of clients.connections) this.#old.add(connection);
      return { epoch: before.epoch, losses: snapshotLosses(kernel.files, clients) };
    });
  }

  /**
   * Continues at the guest's present epoch, or makes it the clone of a higher one: then the promise stays pending, as this agent ends
   * itself, and the next one gets the same call at what is by then the present epoch.
   */
  resume(request: guestd.v1.ResumedRequest): Promise<{ epoch: number; generation: number }> {
    const identity = checkResumed(request);
    return this.#lock.run(async () => {
      const { store, generation } = this.#parts;
      const { epoch, becoming } = store.record;
      const present = becoming ?? epoch;
      if (identity.epoch < present) {
        const line = `resumed: epoch ${identity.epoch} is over, the guest's is ${present}; send that or a higher one`;
        throw new AgentError("failed-precondition", line);
      }
      if (identity.epoch > epoch) {
        checkEntropy(identity);
        await this.#becomeClone(identity);
      }
      if (store.record.setBy === generation) {
        this.#parts.end();
        await new Promise<never>(() => undefined);
      }
      await this.#continue(identity);
      return { epoch, generation };
    });
  }

  /** Takes each step of a clone's identity, in the order in which a failure harms least. Repeating a step changes nothing more. */
  async #becomeClone(identity: CloneIdentity): Promise<void> {
    const { store, epochPath, generation } = this.#parts;
    const { epoch } = identity;
    store.write({ ...store.record, quiesced: true, becoming: epoch });
    await setIdentity(this.#parts, identity);
    for (const connection of this.#parts.clients().connections) {
      const isCaller = connection.openCalls().some(({ method }) => method === "Resumed");
      if (this.#old.has(connection) && !isCaller) connection.destroy();
    }
    this.#parts.renewStreams();
    const { becoming: _, ...rest } = store.record;
    store.write({ ...rest, epoch, setBy: generation });
    writeEpoch(epochPath, epoch);
  }

  /** Thaws what Quiesce froze and opens the gate. */
  async #continue(identity: CloneIdentity): Promise<void> {
    const { store } = this.#parts;
    addEntropy(this.#parts, identity);
    setClock(this.#parts, identity);
    if (!store.record.quiesced) return;
    await this.#thaw([]);
    const { setBy: _, ...rest } = store.record;
    store.write({ ...rest, quiesced: false, frozen: [] });
    publishEvent({ type: "guest-resumed", epoch: rest.epoch });
  }

  async #freeze(): Promise<void> {
    const { store, sandbox } = this.#parts;
    const running = sandbox.containers.filter(({ paused, init }) => !paused && init.status === undefined);
    if (running.length === 0) return;
    const { record } = store;
    store.write({ ...record, frozen: [...record.frozen, ...running.map(({ id }) => id)] });
    const signal = AbortSignal.timeout(DRAIN_MS);
    await Promise.all(running.map((container) => container.pause(signal).catch(unlessEnded(container))));
  }

  /** Thaws the containers that Quiesce froze, except those in `still`. */
  async #thaw(still: readonly string[]): Promise<void> {
    const { store, sandbox } = this.#parts;
    const containers = store.record.frozen
      .filter((id) => !still.includes(id))
      .map((id) => sandbox.find(id))
      .filter((container) => container?.paused === true);
    const signal = AbortSignal.timeout(DRAIN_MS);
    await Promise.all(containers.map((container) => container?.resume(signal).catch(unlessEnded(container))));
  }

  #closedBecause(): string | undefined {
    const { store, isTemplate } = this.#parts;
    const { epoch, quiesced, becoming, setBy } = store.record;
    if (becoming !== undefined || setBy !== undefined)
      return "the guest is becoming a clone; retry once Resumed is answered";
    if (quiesced) return "the guest is quiesced for a snapshot; call guestd.v1.Guest/Resumed first";
    if (isTemplate && epoch < 1)
      return "the guest is a template that no host has resumed; call guestd.v1.Guest/Resumed first";
    return undefined;
  }
}

/** Ignores the failure of a container that has ended meanwhile. */
function unlessEnded(container: { readonly init: { readonly status: unknown } }): (error: unknown) => void {
  return (error) => {
    if (container.init.status === undefined) throw error;
  };
}

/** Resolves with the promise, or when the time is over. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
