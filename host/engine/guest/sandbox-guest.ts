import { dirname } from "node:path";
import { reason } from "../../../lib/reason.ts";
import { type AgentClient, closedClient, connect } from "../../client/agent-client.ts";
import type { ForwardedSpans } from "../../trace/forward-spans.ts";
import { guestTracing } from "../../trace/guest-spans.ts";
import { Guest } from "../../vm/guest.ts";
import type { GuestNetwork } from "../../vm/guest-network.ts";
import type { GuestOptions } from "../../vm/guest-options.ts";
import { MachineError } from "../../vm/machine-error.ts";
import { type Manifest, readManifest } from "../../vm/snapshot/manifest.ts";
import type { RestoreOptions } from "../../vm/snapshot/restore-guest.ts";
import type { SaveOptions } from "../../vm/snapshot/save-guest.ts";
import { guestCard, type OpenCard, publishedCard } from "../network/guest-card.ts";
import type { GuestRecord } from "../record/state-records.ts";
import { becomeClone, presentTime } from "../template/become-clone.ts";
import { warmUp } from "../template/warm-up.ts";
import { type BootMarks, type BootTimeline, bootMarks, bootTimeline } from "./boot-timeline.ts";
import { connectRestored } from "./connect-restored.ts";
import { continueSaved } from "./continue-saved.ts";
import { guestLog, LOG_OPTION, LOG_PORT } from "./guest-log.ts";
import { openSandbox } from "./open-sandbox.ts";
import { quiesce } from "./quiesce.ts";
import { makeSharedFolder, type SharedFolder, sharedFolderAt } from "./shared-folder.ts";
import { stepClock } from "./step-clock.ts";

export const AGENT_PORT = 1024;
/** Time limit of one call in milliseconds; without KVM on a busy host, the first answer may take a second. */
const ANSWER_MS = 10_000;
const MARKS_MS = 2000;
/**
 * The agent's options in guests of guestctl, unless the guest's own say otherwise: bytes that it keeps of each output of
 * containers that no host reads, and a seccomp filter for containers whose spec has none.
 */
export const GUEST_OPTIONS: readonly string[] = ["agent.container_logs=262144", "agent.default_seccomp=on"];
const POWER_OFF_MS = 30_000;

export interface SandboxGuestOptions extends Omit<GuestOptions, "shares" | "network"> {
  /** Name of the sandbox. With `hasDisks`, it has no shared folder but a given one. */
  readonly name: string;
  /** The guest's host name. Default: the sandbox's name. */
  readonly hostname?: string | undefined;
  /** Network for the guest and its containers; none by default. */
  readonly network?: GuestNetwork;
  /**
   * True if only containers mount the shared folder, and the sandbox doesn't: while none of them uses it, the guest can
   * be saved.
   */
  readonly canBeSaved?: boolean;
  /** True if its agent first creates, enters and removes containers, so that later calls find it warm. */
  readonly isWarm?: boolean;
}

export interface RestoredGuestOptions extends Omit<RestoreOptions, "shares" | "network"> {
  /** Network for the guest and its containers: the user network, or none, which is the default. */
  readonly network?: GuestNetwork;
  /** The clone's host name. */
  readonly name: string;
  /** True for a guest without a shared folder but a given one: its containers have their roots on disks. */
  readonly hasNoFolder?: boolean;
  /** True if an agent of its own has created, entered and removed containers before anyone uses it. */
  readonly isWarm?: boolean;
}

interface Parts {
  readonly name: string;
  readonly guest: Guest;
  readonly folder: SharedFolder | undefined;
  readonly client: AgentClient;
  readonly timeline: BootTimeline;
  readonly spans?: ForwardedSpans | undefined;
  readonly card?: OpenCard | undefined;
}

/** Reason of a guest's end if it was saved: the next use continues it. */
export class Suspended extends Error {}

/** A running guest with a shared folder or disks, a connection to its agent and a sandbox, ready for containers. */
export class SandboxGuest implements AsyncDisposable {
  readonly guest: Guest;
  /** Undefined for a guest with disks, unless it was given one. */
  readonly folder: SharedFolder | undefined;
  readonly timeline: BootTimeline;
  readonly #name: string;
  readonly #ended = new AbortController();
  readonly #suspended = new AbortController();
  /** Aborted when the guest dies (`Guest.signal`), or with Suspended. */
  readonly gone: AbortSignal;
  readonly #spans: ForwardedSpans | undefined;
  readonly #card: OpenCard | undefined;
  #client: AgentClient;

  private constructor({ name, guest, folder, client, timeline, spans, card }: Parts) {
    this.#name = name;
    this.guest = guest;
    this.gone = AbortSignal.any([guest.signal, this.#suspended.signal]);
    this.folder = folder;
    this.#client = client;
    this.timeline = timeline;
    this.#spans = spans;
    this.#card = card;
    guest.signal.addEventListener("abort", () => void this.#end(), { once: true });
  }

  /** Starts a guest. If any step fails, rejects and cleans up everything. */
  static async start(
    { name, hostname = name, canBeSaved = false, isWarm = false, ...options }: SandboxGuestOptions,
    given?: SharedFolder,
  ): Promise<SandboxGuest> {
    const { network, ...rest } = options;
    const { hasDisks = false } = rest;
    await using undo = new AsyncDisposableStack();
    const card = network === undefined ? undefined : await guestCard(network);
    const folder = given ?? (hasDisks ? undefined : await makeSharedFolder());
    if (given === undefined) undo.defer(() => folder?.remove());
    const tracing = guestTracing();
    const kernelArgs = [
      ...[...GUEST_OPTIONS, ...(tracing?.kernelArgs ?? [])],
      ...[...(options.kernelArgs ?? []), LOG_OPTION],
    ];
    const begun = performance.now();
    const shares = folder === undefined ? [] : [folder.share];
    const qemuArgs = [...(options.qemuArgs ?? []), ...(card?.qemuArgs ?? [])];
    const user = card?.network === undefined ? {} : { network: card.network };
    const guest = await Guest.start({ ...rest, ...user, kernelArgs, qemuArgs, shares });
    undo.defer(() => guest.destroy());
    const spans = await tracing?.receive(guest.address(AGENT_PORT), name);
    undo.defer(() => spans?.close());
    const client = await connect(guest.address(AGENT_PORT));
    undo.defer(() => client.close());
    await client.health.check({}, { timeoutMs: ANSWER_MS });
    const answered = performance.now() - begun;
    const marks = await readMarks(guest.address(LOG_PORT));
    const open = await card?.setUp(client, guest.mac);
    undo.use(open);
    const shared = !hasDisks && !canBeSaved;
    await openSandbox(client, { id: name, hostname, shared, dns: card?.dns ?? [] });
    if (isWarm) await warmUp(client, guest.address(AGENT_PORT));
    undo.move();
    return new SandboxGuest({
      name,
      guest,
      folder,
      client,
      spans,
      card: open,
      timeline: bootTimeline(guest.timeline, answered, marks),
    });
  }

  /**
   * Continues a guest from a snapshot as a clone: with an address, a shared folder, randomness, time and host name of its
   * own. Its containers run once it has them. If any step fails, rejects and cleans up everything.
   */
  static async restore(
    snapshot: string,
    { name, hasNoFolder = false, isWarm = false, ...options }: RestoredGuestOptions,
    given?: SharedFolder,
  ): Promise<SandboxGuest> {
    await using undo = new AsyncDisposableStack();
    const { network, ...rest } = options;
    if (network?.kind === "tap") {
      throw new MachineError(`restore ${snapshot}: a clone can't have a tap network; use the user network`);
    }
    const card = network === undefined ? undefined : await guestCard(network);
    const { epoch } = await readManifest(snapshot);
    const folder = given ?? (hasNoFolder ? undefined : await makeSharedFolder());
    if (given === undefined) undo.defer(() => folder?.remove());
    const begun = performance.now();
    const shares = folder === undefined ? [] : [folder.share];
    const user = card?.network === undefined ? {} : { network: card.network };
    const guest = await Guest.restore(snapshot, { ...rest, ...user, shares });
    undo.defer(() => guest.destroy());
    const client = await connectRestored(guest.address(AGENT_PORT));
    undo.defer(() => client.close());
    await becomeClone(client, epoch, { hostname: name, dns: card?.dns ?? [], keepsAgent: !isWarm });
    const open = await card?.setUp(client, guest.mac);
    const answered = performance.now() - begun;
    if (isWarm) await warmUp(client, guest.address(AGENT_PORT));
    undo.move();
    const timeline = bootTimeline(guest.timeline, answered);
    return new SandboxGuest({ name, guest, folder, client, timeline, card: open });
  }

  /**
   * Continues a guest that `suspend` has saved, on the disks that it wrote.
   * It outlives this process once `onReleased` is called, before it runs; from then on the snapshot is out of date.
   * @param onLoaded called before, with the guest that will be released
   */
  static async continue(
    snapshot: string,
    { name, consoleFile }: Required<Pick<RestoredGuestOptions, "name" | "consoleFile">>,
    { onLoaded, onReleased }: { onLoaded(guest: Guest): void; onReleased(guest: Guest): void },
  ): Promise<SandboxGuest> {
    await using undo = new AsyncDisposableStack();
    const { epoch, machine } = await readManifest(snapshot);
    const copies = (machine.writable ?? []).map(({ file }) => file);
    const begun = performance.now();
    const guest = await Guest.restore(snapshot, { consoleFile, copies, keepsCard: true }, async (loaded) => {
      onLoaded(loaded);
      loaded.isSaving = true;
      await loaded.release();
      onReleased(loaded);
    });
    undo.defer(() => guest.destroy());
    const client = await continueSaved(guest.address(AGENT_PORT), epoch);
    guest.isSaving = false;
    undo.move();
    const timeline = bootTimeline(guest.timeline, performance.now() - begun);
    return new SandboxGuest({ name, guest, folder: undefined, client, timeline });
  }

  /** Finds a guest that another process has started and released, by its record. If this fails, it keeps running. */
  static async find({ control = "", networkAddress, ...record }: GuestRecord): Promise<SandboxGuest> {
    const { name, address, folder, timeline, forwards = [] } = record;
    const guest = await Guest.find(dirname(control));
    const client = guest.isPaused ? closedClient() : await connectRestored(address, guest.signal);
    if (guest.isSaving) {
      const { epoch } = await client.guest.quiesce({});
      await client.guest.resumed({ epoch, ...presentTime() });
      await stepClock(client);
      guest.isSaving = false;
    }
    const card = networkAddress === undefined ? undefined : await publishedCard(networkAddress, forwards);
    const shared = folder === undefined ? undefined : sharedFolderAt(folder);
    const spans = await guestTracing()?.receive(address, name);
    return new SandboxGuest({ name, guest, folder: shared, client, timeline, card, spans });
  }

  /** Changes its memory (`Guest.resize`); its agent adjusts the containers' limits. */
  async resize(memoryMib: number): Promise<void> {
    try {
      await this.guest.resize(memoryMib);
      await this.client.agent.onlineCPUMem({}, { timeoutMs: ANSWER_MS });
    } catch (error) {
      throw new MachineError(`resize guest ${this.#name}: ${reason(error)}`, { cause: error });
    }
  }

  /** Lets the guest outlive this process. */
  async release(): Promise<void> {
    await this.guest.release();
    this.folder?.give(this.guest.monitor);
  }

  /** Leaves a released guest to another process. */
  async leave(): Promise<void> {
    await this.#end();
    await this.client.close();
    this.#spans?.close();
  }

  /** The connection to the agent; `save` replaces it. */
  get client(): AgentClient {
    return this.#client;
  }

  get address(): string {
    return this.guest.address(AGENT_PORT);
  }

  get logAddress(): string {
    return this.guest.address(LOG_PORT);
  }

  /** The guest's address, if the host can connect to it. */
  get networkAddress(): string | undefined {
    return this.#card?.address;
  }

  /** Aborted once the guest has ended or disposal begins. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Writes a snapshot to a new folder, with the containers as they are at that moment. Then the guest continues at the
   * same address with a new connection, also if this fails; with `end` it is destroyed if this succeeds. Rejects with one
   * line if containers use the shared folder. The manifest gets the notes.
   */
  async save(
    snapshot: string,
    { notes = {}, ...options }: SaveOptions & { readonly notes?: Manifest["notes"] } = {},
  ): Promise<Manifest> {
    this.guest.isSaving = true;
    const facts = await quiesce(this.#client, this.#name);
    await using again = new AsyncDisposableStack();
    again.defer(async () => {
      this.#client = await continueSaved(this.address, facts.epoch);
      this.guest.isSaving = false;
    });
    await this.#client.close();
    const manifest = await this.guest.save(snapshot, { ...facts, notes: { ...facts.notes, ...notes } }, options);
    if (options.end) again.move();
    return manifest;
  }

  /** Saves the guest to a new folder and ends it, for `continue`. If this fails, the guest continues at once. */
  async suspend(snapshot: string, onComplete: () => void): Promise<void> {
    await this.save(snapshot, { end: true, keepsDisks: true, onComplete });
    this.#suspended.abort(new Suspended(`guest ${this.#name}: saved, as it was idle`));
  }

  /** Stops the guest: its containers don't run, and its address is unreachable. */
  async pause(): Promise<void> {
    await this.#client.close();
    await this.guest.pause();
  }

  /** Lets a paused guest continue, with the present time and a new connection. */
  async resume(): Promise<void> {
    await this.guest.resume();
    this.#client = await connectRestored(this.address);
    await stepClock(this.#client);
  }

  /** Calls DestroySandbox, upon which the guest powers off and QEMU exits; then removes the shared folder. */
  async powerOff(): Promise<void> {
    try {
      await this.guest.powerOff(() => this.client.agent.destroySandbox({}, { timeoutMs: POWER_OFF_MS }), POWER_OFF_MS);
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** Destroys the guest without a power-off. Idempotent, also after `powerOff`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.client.close();
    await this.guest.destroy();
    this.#spans?.close();
    await this.folder?.remove();
  }

  /** Reports the end, and stops listening on the ports that led into the guest. Idempotent. */
  async #end(): Promise<void> {
    this.#ended.abort();
    await this.#card?.[Symbol.asyncDispose]();
  }
}

/** Reads the boot marks, which come first in the log; undefined if it has none, as with other agents. */
async function readMarks(address: string): Promise<BootMarks | undefined> {
  try {
    for await (const line of guestLog(address, AbortSignal.timeout(MARKS_MS))) {
      const marks = bootMarks(line);
      if (marks !== undefined) return marks;
    }
  } catch {
    // Without marks, the timeline is shorter.
  }
  return undefined;
}
