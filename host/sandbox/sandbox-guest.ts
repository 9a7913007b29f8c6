import { type AgentClient, connect } from "../client/agent-client.ts";
import { Guest } from "../machine/guest.ts";
import type { GuestNetwork } from "../machine/guest-network.ts";
import type { GuestOptions } from "../machine/guest-options.ts";
import type { ForwardedSpans } from "../trace/forward-spans.ts";
import { guestTracing } from "../trace/guest-spans.ts";
import { type BootMarks, type BootTimeline, bootMarks, bootTimeline } from "./boot-timeline.ts";
import { guestCard, type OpenCard } from "./guest-card.ts";
import { guestLog, LOG_OPTION, LOG_PORT } from "./guest-log.ts";
import { openSandbox } from "./open-sandbox.ts";
import { makeSharedFolder, type SharedFolder } from "./shared-folder.ts";

const AGENT_PORT = 1024;
/** Time limit in milliseconds; without KVM on a busy host, the first answer may take a second. */
const FIRST_ANSWER_MS = 10_000;
const MARKS_MS = 2000;
/** Bytes that the agent keeps of each output of containers that no host reads, unless the guest's options say otherwise. */
const CONTAINER_LOGS = "agent.container_logs=262144";
const POWER_OFF_MS = 30_000;

export interface SandboxGuestOptions extends Omit<GuestOptions, "shares"> {
  /** Name of the sandbox, and the guest's host name. */
  readonly name: string;
  /** Network for the guest and its containers; none by default. */
  readonly network?: GuestNetwork;
}

/** A running guest with a shared folder, a connection to its agent and a sandbox, ready for containers. */
export class SandboxGuest implements AsyncDisposable {
  readonly guest: Guest;
  readonly folder: SharedFolder;
  readonly client: AgentClient;
  readonly timeline: BootTimeline;
  readonly #ended = new AbortController();
  readonly #spans: ForwardedSpans | undefined;
  readonly #card: OpenCard | undefined;

  private constructor(
    guest: Guest,
    folder: SharedFolder,
    client: AgentClient,
    timeline: BootTimeline,
    spans: ForwardedSpans | undefined,
    card: OpenCard | undefined,
  ) {
    this.guest = guest;
    this.folder = folder;
    this.client = client;
    this.timeline = timeline;
    this.#spans = spans;
    this.#card = card;
    guest.signal.addEventListener("abort", () => void this.#end(), { once: true });
  }

  /** Starts a guest. If any step fails, rejects and cleans up everything. */
  static async start({ name, network, ...options }: SandboxGuestOptions, shared?: SharedFolder): Promise<SandboxGuest> {
    await using undo = new AsyncDisposableStack();
    const card = network === undefined ? undefined : await guestCard(network);
    const folder = shared ?? (await makeSharedFolder());
    if (shared === undefined) undo.defer(() => folder.remove());
    const tracing = guestTracing();
    const kernelArgs = [
      ...[CONTAINER_LOGS, ...(tracing?.kernelArgs ?? [])],
      ...[...(options.kernelArgs ?? []), LOG_OPTION],
    ];
    const begun = performance.now();
    const qemuArgs = [...(options.qemuArgs ?? []), ...(card?.qemuArgs ?? [])];
    const guest = await Guest.start({ ...options, kernelArgs, qemuArgs, shares: [folder.share] });
    undo.defer(() => guest.destroy());
    const spans = await tracing?.receive(guest.address(AGENT_PORT), name);
    undo.defer(() => spans?.close());
    const client = await connect(guest.address(AGENT_PORT));
    undo.defer(() => client.close());
    await client.health.check({}, { timeoutMs: FIRST_ANSWER_MS });
    const answered = performance.now() - begun;
    const marks = await readMarks(guest.address(LOG_PORT));
    const open = await card?.setUp(client);
    undo.use(open);
    await openSandbox(client, { id: name, hostname: name, shared: true, dns: card?.dns ?? [] });
    undo.move();
    return new SandboxGuest(guest, folder, client, bootTimeline(guest.timeline, answered, marks), spans, open);
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
    await this.folder.remove();
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
