import { setTimeout } from "node:timers/promises";
import type { Init, MessageType } from "../../proto/codec.ts";
import { containerd } from "../../proto/gen/containerd.js";
import { dial } from "../client/dial.ts";
import { RpcError } from "../client/rpc-error.ts";
import { TtrpcClient } from "../client/ttrpc-client.ts";
import { timestamp } from "./timestamp.ts";

const { events } = containerd;

/** Topic of each event. */
const TOPICS = {
  TaskCreate: "create",
  TaskStart: "start",
  TaskDelete: "delete",
  TaskExit: "exit",
  TaskOOM: "oom",
  TaskExecAdded: "exec-added",
  TaskExecStarted: "exec-started",
  TaskPaused: "paused",
  TaskResumed: "resumed",
} as const satisfies Partial<Record<keyof typeof events, string>>;

type EventName = keyof typeof TOPICS;
type EventOf<Name extends EventName> = (typeof events)[Name] extends MessageType<infer Message> ? Init<Message> : never;

/** Publishes an event of a task. */
export type Publish = <Name extends EventName>(name: Name, event: EventOf<Name>) => void;

const { ForwardRequest } = containerd.services.events.ttrpc.v1;
const ANSWER_MS = 10_000;
const AGAIN_MS = 500;
/** Most events that wait while the engine is restarted; later ones are dropped. */
const MOST_WAITING = 4096;

/** Sends a pod's events to its engine, in order; while the engine doesn't run, they wait. */
export class EventPublisher {
  readonly #path: string;
  readonly #namespace: string;
  #client: TtrpcClient | undefined;
  #waiting = 0;
  #sent: Promise<void> = Promise.resolve();

  /** @param path the engine's socket for ttRPC */
  constructor(path: string, namespace: string) {
    this.#path = path;
    this.#namespace = namespace;
  }

  readonly publish: Publish = (name, event) => {
    if (this.#path === "" || this.#waiting >= MOST_WAITING) return;
    const type = events[name] as MessageType<unknown>;
    const request = ForwardRequest.encode({
      envelope: {
        timestamp: timestamp(new Date()),
        namespace: this.#namespace,
        topic: `/tasks/${TOPICS[name]}`,
        event: { type_url: `containerd.events.${name}`, value: type.encode(event as object).finish() },
      },
    }).finish();
    this.#waiting += 1;
    this.#sent = this.#sent.then(() => this.#send(request)).finally(() => (this.#waiting -= 1));
  };

  /** Resolves once all events were sent, or after this time. */
  async flush(ms: number): Promise<void> {
    await Promise.race([this.#sent, setTimeout(ms, undefined, { ref: false })]);
  }

  async #send(request: Uint8Array): Promise<void> {
    for (;;) {
      try {
        this.#client ??= await this.#connect();
        await this.#client.call("containerd.services.events.ttrpc.v1.Events", "Forward", request, {
          timeoutMs: ANSWER_MS,
        });
        return;
      } catch (error) {
        if (error instanceof RpcError && error.kind !== "unavailable") return; // the engine has it, and doesn't want it
        await setTimeout(AGAIN_MS, undefined, { ref: false });
      }
    }
  }

  async #connect(): Promise<TtrpcClient> {
    const client = new TtrpcClient(await dial(`unix://${this.#path}`));
    void client.closed.then(() => {
      this.#client = undefined;
    });
    return client;
  }
}
