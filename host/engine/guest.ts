import { join } from "node:path";
import type { AgentClient } from "../client/agent-client.ts";
import type { CallOptions } from "../client/rpc-channel.ts";
import { type EventsOptions, readEvents } from "../client/streams/events.ts";
import { type Upgraded, upgradeAgent } from "../client/upgrade-agent.ts";
import { OperationError } from "../operation-error.ts";
import { signalProcess } from "../vm/signal-process.ts";
import { type Connection, checkOffer, type Offers } from "./guest/agent-offers.ts";
import { endUnkept } from "./guest/end-unkept.ts";
import { connectTo, type Target } from "./guest/guest-target.ts";
import { randomName } from "./guest/random-name.ts";
import { type StreamsPlace, streamsPlace } from "./guest/streams-place.ts";
import { waitForOwner } from "./record/owner-process.ts";
import type { GuestRecord } from "./record/state-records.ts";
import type { StateStore } from "./record/state-store.ts";
import { askKeeper } from "./supervisor/ask-keeper.ts";
import { holdAwake } from "./supervisor/idle/hold-awake.ts";
import { KEEPER_SOCKET, type KeeperOperations, type Request, type Result } from "./supervisor/keeper-operations.ts";
import { endSupervised, supervise } from "./supervisor/supervise.ts";
import { timeIn } from "./supervisor/time-limit.ts";
import type { StoredTemplate } from "./template/template-store.ts";

export interface ListeningPort {
  /** tcp, tcp6, udp or udp6. */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

interface ListenedPorts {
  readonly ports: readonly ListeningPort[];
  /** True if there are more. */
  readonly truncated: boolean;
}

/**
 * A guest of this user, or an agent at any address, of which only the agent can be asked. Methods throw RpcError, OperationError or
 * an error of dialling.
 */
export class Guest {
  readonly store: StateStore;
  readonly target: Target;
  readonly #connection: Connection | undefined;

  /** Without a connection to its agent that the caller keeps, each call connects. */
  constructor(store: StateStore, target: Target, connection?: Connection) {
    this.store = store;
    this.target = target;
    this.#connection = connection;
  }

  /** Where its agent serves guestd.v1.Streams. Throws OperationError if it is known not to. */
  get streams(): StreamsPlace {
    this.checkOffer("streams");
    return streamsPlace(this.target);
  }

  /** Throws OperationError if its agent is known to lack a service. */
  checkOffer(service: keyof Offers): void {
    checkOffer(service, this.target.address, this.#connection?.offers);
  }

  /** Calls its agent. */
  async call<T>(use: (client: AgentClient) => Promise<T>, options?: Parameters<typeof connectTo>[1]): Promise<T> {
    if (this.#connection !== undefined) return await use(this.#connection.client);
    await using client = await connectTo(this.target, options);
    return await use(client);
  }

  /** Returns its metrics and its agent's, as Prometheus text. */
  async metrics(options?: CallOptions): Promise<string> {
    return (await this.call(({ agent }) => agent.getMetrics({}, options))).metrics;
  }

  /** Returns the ports on which processes listen in a container's network namespace, or its own. */
  async ports(container = "", options: Pick<CallOptions, "timeoutMs" | "signal"> = {}): Promise<ListenedPorts> {
    this.checkOffer("guest");
    return await this.call(({ guest }) => guest.listPorts({ container_id: container }, options), options);
  }

  /** Yields what happens in it (`readEvents`). */
  events(options: Omit<EventsOptions, "dial">): ReturnType<typeof readEvents> {
    const { address, dial } = this.streams;
    return readEvents(address, { ...options, dial });
  }

  /** Replaces its agent by that of a bundle, or of its image (`upgradeAgent`). */
  async upgrade(bundle: string | undefined): Promise<Upgraded> {
    this.checkOffer("guest");
    return await upgradeAgent(() => connectTo(this.target), bundle);
  }

  /** Saves it with its containers as a template; it continues. Returns the template's size in bytes. */
  async snapshot(name: string, signal?: AbortSignal): Promise<number> {
    return (await this.#ask("snapshot", { name }, signal)).bytes;
  }

  /** Saves it and has `start` start copies, then waits until it has continued. The template doesn't outlive this. */
  async fork<T>(start: (template: StoredTemplate) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { TemplateStore } = await import("./template/template-store.ts");
    const templates = new TemplateStore();
    const name = randomName("fork");
    await this.#ask("snapshot", { name, isForFork: true }, signal);
    const template = await templates.get(name);
    try {
      const started = await start(template);
      await this.#ask("continued", {}, signal);
      return started;
    } finally {
      await templates.remove(template);
    }
  }

  /** Sets after how many milliseconds from now it is powered off; undefined: never. */
  async setTimeLimit(ms: number | undefined, signal?: AbortSignal): Promise<void> {
    await this.#ask("setTimeLimit", { endsAt: ms === undefined ? undefined : timeIn(ms) }, signal);
  }

  /** Sets after how many milliseconds without use it is saved; 0: never. */
  async setIdleLimit(idleMs: number, signal?: AbortSignal): Promise<void> {
    await this.#ask("setIdleLimit", { idleMs }, signal);
  }

  /** Changes its memory, in MiB. */
  async resize(memoryMib: number, signal?: AbortSignal): Promise<void> {
    await this.#ask("resize", { memoryMib }, signal);
  }

  /** Stops its processors. */
  async pause(signal?: AbortSignal): Promise<void> {
    await this.#ask("pause", {}, signal);
  }

  /** Lets it continue after `pause`, with the present time. */
  async resume(signal?: AbortSignal): Promise<void> {
    await this.#ask("resume", {}, signal);
  }

  /** Powers it off with everything in it; resolves once its end is recorded, or its program does that. */
  async stop(options?: CallOptions): Promise<void> {
    const { store } = this;
    const { name, isEmbedded } = this.#own;
    const owner = store.owner(name);
    if (isEmbedded) {
      store.noteEnding(name);
      await this.call(({ agent }) => agent.destroySandbox({}, options));
      return;
    }
    if (!(await endSupervised(store, name, name)) && owner !== undefined) signalProcess(owner, "SIGTERM");
    await waitForOwner(`guest ${name}`, () => store.owner(name));
    const left = store.unkept().find((each) => each.name === name);
    if (left !== undefined) await endUnkept(store, left);
  }

  /** Has whoever keeps it do something, after continuing it if it is saved. */
  async #ask<Name extends keyof KeeperOperations & string>(
    operation: Name,
    request: Request<KeeperOperations, Name>,
    signal?: AbortSignal,
  ): Promise<Result<KeeperOperations, Name>> {
    const { name } = this.#own;
    const { store } = this;
    await supervise(store);
    const record = store.guest(name);
    if (record?.isSaved) await (await holdAwake(store, record))[Symbol.asyncDispose]();
    const keeper = { guest: name, socket: join(store.directory(name), KEEPER_SOCKET) };
    return await askKeeper(keeper, operation, request, signal);
  }

  get #own(): GuestRecord {
    const { guest, address } = this.target;
    if (guest !== undefined) return guest;
    const why = `the agent at ${address} is in no guest of this user`;
    throw new OperationError(`${why}; name a guest that guestctl ps lists`, { kind: "unsupported" });
  }
}
