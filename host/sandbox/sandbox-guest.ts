import { type AgentClient, connect } from "../client/agent-client.ts";
import { diskArguments, type SharedDisk } from "../machine/disks.ts";
import { Guest } from "../machine/guest.ts";
import type { GuestOptions } from "../machine/guest-options.ts";
import { type Manifest, readManifest } from "../machine/snapshot/manifest.ts";
import type { RestoreOptions } from "../machine/snapshot/restore-guest.ts";
import { checkForwards, type UserNetwork, userNetworkArguments } from "../machine/user-network.ts";
import type { ForwardedSpans } from "../trace/forward-spans.ts";
import { guestTracing } from "../trace/guest-spans.ts";
import { becomeClone, presentTime } from "./become-clone.ts";
import { type BootMarks, type BootTimeline, bootMarks, bootTimeline } from "./boot-timeline.ts";
import { guestLog, LOG_OPTION, LOG_PORT } from "./guest-log.ts";
import { openSandbox } from "./open-sandbox.ts";
import { quiesce } from "./quiesce.ts";
import { setUpUserNetwork, USER_NETWORK_DNS } from "./set-up-user-network.ts";
import { makeSharedFolder, type SharedFolder } from "./shared-folder.ts";

export const AGENT_PORT = 1024;
/** Time limit in milliseconds; without KVM on a busy host, the first answer may take a second. */
const FIRST_ANSWER_MS = 10_000;
const MARKS_MS = 2000;
/** Bytes that the agent keeps of each output of containers that no host reads, unless the guest's options say otherwise. */
export const CONTAINER_LOGS = "agent.container_logs=262144";
const POWER_OFF_MS = 30_000;
/** Time limit in milliseconds for a guest that continues. */
const RESUMED_MS = 30_000;

export interface SandboxGuestOptions extends Omit<GuestOptions, "shares"> {
  /**
   * Set for a guest without a shared folder, whose containers have their roots on disks: those that it has from its
   * start. Others can be plugged in.
   */
  readonly disks?: readonly SharedDisk[];
  /** Name of the sandbox, and the guest's host name. */
  readonly name: string;
  /** Network for the guest and its containers; none by default. */
  readonly network?: UserNetwork;
  /**
   * True if only containers mount the shared folder, and the sandbox doesn't: while none of them uses it, the guest can
   * be saved.
   */
  readonly canBeSaved?: boolean;
}

export interface RestoredGuestOptions extends Omit<RestoreOptions, "shares"> {
  /** The clone's host name. */
  readonly name: string;
}

/** A running guest with a shared folder or disks, a connection to its agent and a sandbox, ready for containers. */
export class SandboxGuest implements AsyncDisposable {
  readonly guest: Guest;
  /** Undefined for a guest with disks. */
  readonly folder: SharedFolder | undefined;
  readonly client: AgentClient;
  readonly timeline: BootTimeline;
  readonly #ended = new AbortController();
  readonly #spans: ForwardedSpans | undefined;

  private constructor(
    guest: Guest,
    folder: SharedFolder | undefined,
    client: AgentClient,
    timeline: BootTimeline,
    spans: ForwardedSpans | undefined,
  ) {
    this.guest = guest;
    this.folder = folder;
    this.client = client;
    this.timeline = timeline;
    this.#spans = spans;
    guest.signal.addEventListener("abort", () => this.#ended.abort(), { once: true });
  }

  /** Starts a guest. If any step fails, rejects and cleans up everything. */
  static async start(
    { name, network, disks, canBeSaved = false, ...options }: SandboxGuestOptions,
    shared?: SharedFolder,
  ): Promise<SandboxGuest> {
    await using undo = new AsyncDisposableStack();
    if (network !== undefined) await checkForwards(network);
    const folder = disks === undefined ? (shared ?? (await makeSharedFolder())) : undefined;
    if (shared === undefined) undo.defer(() => folder?.remove());
    const tracing = guestTracing();
    const kernelArgs = [
      ...[CONTAINER_LOGS, ...(tracing?.kernelArgs ?? [])],
      ...[...(options.kernelArgs ?? []), LOG_OPTION],
    ];
    const begun = performance.now();
    const qemuArgs = [
      ...(options.qemuArgs ?? []),
      ...(network === undefined ? [] : userNetworkArguments(network)),
      ...(disks === undefined ? [] : diskArguments(disks)),
    ];
    const shares = folder === undefined ? [] : [folder.share];
    const guest = await Guest.start({ ...options, kernelArgs, qemuArgs, shares });
    undo.defer(() => guest.destroy());
    const spans = await tracing?.receive(guest.address(AGENT_PORT), name);
    undo.defer(() => spans?.close());
    const client = await connect(guest.address(AGENT_PORT), { again: true });
    undo.defer(() => client.close());
    await client.health.check({}, { timeoutMs: FIRST_ANSWER_MS });
    const answered = performance.now() - begun;
    const marks = await readMarks(guest.address(LOG_PORT));
    if (network !== undefined) await setUpUserNetwork(client);
    const dns = network === undefined ? [] : USER_NETWORK_DNS;
    await openSandbox(client, { id: name, hostname: name, shared: folder !== undefined && !canBeSaved, dns });
    undo.move();
    return new SandboxGuest(guest, folder, client, bootTimeline(guest.timeline, answered, marks), spans);
  }

  /**
   * Continues a guest from a snapshot as a clone: with an address, a shared folder, randomness, time and host name of its
   * own. If any step fails, rejects and cleans up everything.
   */
  static async restore(
    snapshot: string,
    { name, ...options }: RestoredGuestOptions,
    shared?: SharedFolder | "none",
  ): Promise<SandboxGuest> {
    await using undo = new AsyncDisposableStack();
    const { epoch } = await readManifest(snapshot);
    const folder = shared === "none" ? undefined : (shared ?? (await makeSharedFolder()));
    if (shared === undefined) undo.defer(() => folder?.remove());
    const begun = performance.now();
    const shares = folder === undefined ? [] : [folder.share];
    const guest = await Guest.restore(snapshot, { ...options, shares });
    undo.defer(() => guest.destroy());
    const client = await connect(guest.address(AGENT_PORT), { again: true });
    undo.defer(() => client.close());
    await becomeClone(client, epoch, name);
    const answered = performance.now() - begun;
    undo.move();
    return new SandboxGuest(guest, folder, client, bootTimeline(guest.timeline, answered), undefined);
  }

  /**
   * Writes a snapshot to a new folder; the guest continues, also if this fails. Its containers stand still meanwhile, and its
   * connections end: clients of streams continue at their byte. Throws OperationError if containers use the share.
   */
  async save(
    directory: string,
    {
      name,
      notes = {},
      signal,
    }: { readonly name: string; readonly notes?: Manifest["notes"]; readonly signal?: AbortSignal },
  ): Promise<Manifest> {
    const facts = await quiesce(this.client, name);
    const all = { ...facts, notes: { ...facts.notes, ...notes } };
    try {
      return await this.guest.save(directory, all, signal === undefined ? {} : { signal });
    } finally {
      await this.client.guest.resumed({ epoch: facts.epoch, ...presentTime() }, { timeoutMs: RESUMED_MS });
    }
  }

  /** Stops the guest's processors. */
  async pause(): Promise<void> {
    await this.guest.pause();
  }

  /** Lets a paused guest continue at the present time. */
  async resume(): Promise<void> {
    await this.guest.resume();
    const { realtime_seconds: Sec, realtime_nanos: nanos } = presentTime();
    await this.client.agent.setGuestDateTime({ Sec, Usec: Math.floor(nanos / 1000) }, { timeoutMs: RESUMED_MS });
  }

  get address(): string {
    return this.guest.address(AGENT_PORT);
  }

  get logAddress(): string {
    return this.guest.address(LOG_PORT);
  }

  /** Aborted once the guest has ended or disposal begins. */
  get ended(): AbortSignal {
    return this.#ended.signal;
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
    this.#ended.abort();
    await this.client.close();
    await this.guest.destroy();
    this.#spans?.close();
    await this.folder?.remove();
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
