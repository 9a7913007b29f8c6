import { guestd } from "../../../proto/gen/messages.js";
import type { MachineIdPaths } from "../../guest/warm-start/machine-id.ts";
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
import { freezeContainers, thawContainers } from "./frozen-containers.ts";
import { addEntropy, setClock, setIdentity } from "./set-identity.ts";
import { type ClientUse, type HostConnection, type SnapshotLoss, snapshotLosses } from "./snapshot-losses.ts";

const { AgentReplacement } = guestd.v1;

/** Limit for the end of calls that were begun before Quiesce, and for freezing containers. */
const DRAIN_MS = 10_000;

export interface WarmStartParts {
  readonly store: WarmStore;
  /** Refuses creations until the first Resumed. */
  readonly isTemplate: boolean;
  /** Number of this agent. */
  readonly generation: number;
  /** The guest has the kernel to itself, so that everything in memory is its own. */
  readonly ownsKernel: boolean;
  readonly kernel: Pick<Kernel, "sys" | "files">;
  readonly sandbox: Pick<Sandbox, "containers" | "find" | "rename" | "updateDns">;
  readonly network: Network;
  /** Default: those of the guest. */
  readonly machineIdPaths?: MachineIdPaths;
  clients(): ClientUse;
  /** Returns this agent's free memory to the kernel. */
  trim(): void;
  /** Gives the streams of processes a new epoch, from the next agent on. */
  renewStreams(): void;
  /** Tells programs in containers the guest's epoch; an agent does so at its start, too. */
  writeEpoch(epoch: number): void;
  /** Ends this agent at once, as if it were killed. */
  end(): void;
  /** Ends this agent when no client would wait for the next one. */
  endWhenQuiet(): void;
}

/** Prepares the guest for a snapshot, and continues afterwards: the same guest, or a clone. */
export class WarmStart {
  /** Closed from Quiesce to Resumed, and in a template until the first Resumed. */
  readonly gate: CreationGate;
  readonly #parts: WarmStartParts;
  readonly #lock = new Lock();
  /** An earlier agent has answered Quiesce. */
  readonly #foundQuiesced: boolean;
  /** Connections that were open when this agent answered Quiesce. */
  readonly #old = new WeakSet<object>();

  constructor(parts: WarmStartParts) {
    this.#parts = parts;
    this.#foundQuiesced = parts.store.record.quiesced;
    this.gate = new CreationGate(() => this.#closedBecause());
  }

  /** Epoch of a clone that is resumed, but of which no event was recorded. */
  get unreported(): number | undefined {
    const { epoch, setBy, reported } = this.#parts.store.record;
    return epoch > 0 && setBy === undefined && reported !== epoch ? epoch : undefined;
  }

  /** Notes that the event of an epoch was recorded. */
  reported(epoch: number): void {
    const { store } = this.#parts;
    store.write({ ...store.record, reported: epoch });
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
        if (freeze_containers) await freezeContainers(this.#parts, DRAIN_MS);
        this.#parts.trim();
        if (ownsKernel) await settleMemory(kernel.sys);
      } catch (error) {
        await thawContainers(this.#parts, DRAIN_MS, before.frozen); // if that fails, Resumed has to do it
        store.write({ ...store.record, quiesced: before.quiesced, frozen: before.frozen });
        throw error;
      }
      const clients = this.#parts.clients();
      for (const connection of clients.connections) this.#old.add(connection);
      return { epoch: before.epoch, losses: snapshotLosses(kernel.files, clients) };
    });
  }

  /**
   * Continues at the guest's present epoch, or makes it the clone of a higher one: then this agent has to be replaced. Unless that may
   * wait until it is quiet, the promise stays pending, and the next agent gets the same call at what is by then the present epoch.
   */
  async resume(request: guestd.v1.ResumedRequest): Promise<{ epoch: number; generation: number }> {
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
        if (request.replacement !== AgentReplacement.WHEN_QUIET) {
          this.#parts.end();
          await new Promise<never>(() => undefined);
        }
        this.#parts.writeEpoch(store.record.epoch);
        this.#parts.endWhenQuiet();
      }
      await this.#continue(identity);
      return { epoch: store.record.epoch, generation };
    });
  }

  /** Takes each step of a clone's identity, in the order in which a failure harms least. Repeating a step changes nothing more. */
  async #becomeClone(identity: CloneIdentity): Promise<void> {
    const { store, generation } = this.#parts;
    const { epoch } = identity;
    store.write({ ...store.record, quiesced: true, becoming: epoch });
    await setIdentity(this.#parts, identity);
    for (const connection of this.#parts.clients().connections) {
      const isCaller = connection.openCalls().some(({ method }) => method === "Resumed");
      if (this.#isOld(connection) && !isCaller) connection.destroy();
    }
    this.#parts.renewStreams();
    const { becoming: _, ...rest } = store.record;
    store.write({ ...rest, epoch, setBy: generation });
  }

  /** True if the connection was open when Quiesce was answered, by this agent or an earlier one. */
  #isOld(connection: HostConnection): boolean {
    return this.#old.has(connection) || (this.#foundQuiesced && connection.isResumed);
  }

  /** Thaws what Quiesce froze and opens the gate. */
  async #continue(identity: CloneIdentity): Promise<void> {
    const { store } = this.#parts;
    const isSet = store.record.setBy !== undefined;
    if (!isSet) {
      addEntropy(this.#parts, identity);
      setClock(this.#parts, identity);
    }
    if (!store.record.quiesced) return;
    await thawContainers(this.#parts, DRAIN_MS);
    const { setBy, ...rest } = store.record;
    store.write({ ...rest, quiesced: false, frozen: [] });
    if (setBy !== undefined) publishEvent({ type: "guest-resumed", epoch: rest.epoch });
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

/** Resolves with the promise, or when the time is over. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
