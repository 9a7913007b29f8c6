import { MAX_TIMER_MS } from "../../lib/max-timer.ts";
import { AgentError } from "../kernel/error.ts";
import type { CallJournal } from "../kernel/journal/call-journal.ts";
import { monotonicMs } from "../kernel/monotonic-ms.ts";
import type { Handler } from "../service/dispatch.ts";
import { type RpcStatus, status, toStatus } from "../service/status.ts";
import type { BodyRoom } from "./body-room.ts";
import { callQueue } from "./call-queue.ts";
import type { OpenCall } from "./connection.ts";
import type { Noted } from "./noted-request.ts";
import { ServerCall } from "./server-call.ts";
import { okFrame, statusFrame } from "./ttrpc-response.ts";

/** An unanswered call. */
interface Entry {
  readonly open: OpenCall;
  readonly call: ServerCall;
  readonly timer: NodeJS.Timeout | undefined;
  readonly held: number;
}

/** The part of a connection that its calls need. */
interface CallsOwner {
  readonly peer: string;
  readonly journal: CallJournal;
  readonly room: BodyRoom;
  /** Writes a whole frame. `keep`: the journal keeps it while it waits. */
  write(bytes: Uint8Array, place: number | undefined, keep: boolean, done?: (written: boolean) => void): void;
  /** Called when a call is no longer open, before its answer is written. */
  ended(): void;
}

/** The calls of one ttRPC connection whose handlers run, by stream id, with their deadlines. */
export class TtrpcCalls {
  readonly #owner: CallsOwner;
  readonly #entries = new Map<number, Entry>();
  #running = 0;

  constructor(owner: CallsOwner) {
    this.#owner = owner;
  }

  /** Number of open calls. */
  get size(): number {
    return this.#entries.size;
  }

  /** Handlers that haven't returned, including those of calls that timed out. */
  get running(): number {
    return this.#running;
  }

  has(streamId: number): boolean {
    return this.#entries.has(streamId);
  }

  open(): OpenCall[] {
    return Array.from(this.#entries.values(), ({ open }) => open);
  }

  /** Runs a handler and answers with what it returns, or with an error once the deadline has passed. */
  start(
    open: OpenCall,
    { place, held }: Pick<Noted, "place" | "held">,
    handler: Handler,
    metadata: ReadonlyMap<string, string>,
  ): void {
    const { streamId, service, method } = open;
    const { journal, peer } = this.#owner;
    const call = new ServerCall({ service, method }, peer, metadata, place, journal);
    const timeoutMs = open.deadline === undefined ? Number.POSITIVE_INFINITY : open.deadline - monotonicMs();
    const wait = Math.max(Math.ceil(timeoutMs), 0);
    const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(() => this.#expire(entry), wait);
    const entry: Entry = { open, call, timer, held };
    this.#entries.set(streamId, entry);
    this.#running++;
    journal.beginCall(place);
    const done = run(handler, open.payload, call);
    journal.beginCall(undefined);
    done.then(
      (answer) => this.#returned(entry, () => this.#answer(entry, answer)),
      (error: unknown) => this.#returned(entry, () => this.#fail(entry, toStatus(error), error)),
    );
  }

  /** Aborts all calls without an answer; returns their places. */
  abort(reason: AgentError): (number | undefined)[] {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    return entries.map(({ call, timer }) => {
      clearTimeout(timer);
      call.report(undefined);
      call.settle(false);
      call.abort(reason);
      return call.place;
    });
  }

  #returned({ held }: Entry, answer: () => void): void {
    this.#running--;
    this.#owner.room.give(held);
    callQueue.run(answer);
  }

  #answer(entry: Entry, answer: Uint8Array): void {
    const { call, open } = entry;
    const frame = okFrame(open.streamId, answer);
    if (typeof frame === "number") {
      this.#fail(entry, status("invalid-argument", `response of ${frame} bytes is over the limit of 4 MiB`));
    } else if (this.#remove(entry)) {
      call.report(0);
      this.#owner.write(frame, call.place, !call.repeated, (written) => call.settle(written));
    }
  }

  /** Answers with an error; an answer of the handler is dropped. */
  #fail(entry: Entry, answer: RpcStatus, error?: unknown): void {
    const { call, open } = entry;
    if (!this.#remove(entry)) return;
    call.report(answer.code, error);
    call.settle(false);
    this.#owner.write(statusFrame(open.streamId, answer), call.place, true);
  }

  #expire(entry: Entry): void {
    const { service, method } = entry.open;
    const error = new AgentError("deadline-exceeded", `/${service}/${method} exceeded its caller's deadline`);
    this.#fail(entry, toStatus(error));
    entry.call.abort(error);
  }

  /** Removes a call; returns false if it was already answered or aborted, which has settled it. */
  #remove(entry: Entry): boolean {
    if (this.#entries.get(entry.open.streamId) !== entry) return false;
    this.#entries.delete(entry.open.streamId);
    clearTimeout(entry.timer);
    this.#owner.ended();
    return true;
  }
}

/** Runs a handler; a synchronous exception becomes a rejection. */
function run(handler: Handler, payload: Uint8Array, call: ServerCall): Promise<Uint8Array> {
  try {
    return handler(payload, call);
  } catch (error) {
    return Promise.reject(error);
  }
}
