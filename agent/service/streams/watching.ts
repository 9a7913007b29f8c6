import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError } from "../../kernel/error.ts";
import type { Agent } from "../rpc.ts";
import type { GuestState, Snapshot } from "./guest-state.ts";
import { unchanged, watchDelta } from "./watch-delta.ts";

const requestMessage = codec("guestd.v1.WatchRequest", guestd.v1.WatchRequest);

const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 60_000;
const DEFAULT_INTERVAL_MS = 1000;
/** Most watchers at once. */
const MAX_WATCHERS = 32;
/** Age at which a state is too old for a new watcher or for one that is due. */
const FRESH_MS = 50;
/**
 * The pause after an update, as a multiple of the time that it took. Updates take at most 5 % of the time; while the guest is idle
 * and every interval is a second or more, at most 0.25 %, as their sending takes about as much again.
 */
const REST = 20;
const IDLE_REST_PER_MS = 0.4;
const MAX_IDLE_REST = 400;
/** Share of a processor below which a guest is idle. */
const IDLE_SHARE = 0.1;
/** Updates of a new watcher that wait for no pause. Rates need two, so the second comes after at most FIRST_RATES_MS. */
const FIRST_UPDATES = 2;
const FIRST_RATES_MS = 1000;
/** Longest silence: then a watcher gets an empty update. */
const SILENCE_MS = 5000;

/** The connection of a watcher. */
export interface WatcherConnection {
  /** Sends a part of an update; resolves when there is room for the next. */
  send(number: number, payload: Uint8Array): Promise<void>;
}

interface Watcher {
  readonly connection: WatcherConnection;
  readonly intervalMs: number;
  dueAt: number;
  /** The state that the client knows. */
  sent: Snapshot | undefined;
  sentAt: number;
  /** Number of the next part. */
  number: number;
  /** Updates that were due so far. */
  updates: number;
  isSending: boolean;
}

/** Sends the state of the guest to its watchers, then what changes: one timer, and one reading of the state for all of them. */
export class Watching {
  readonly #agent: Pick<Agent, "policy">;
  readonly #state: Pick<GuestState, "read" | "close">;
  readonly #now: () => number;
  readonly #watchers = new Set<Watcher>();
  #last: { readonly snapshot: Snapshot; readonly at: number } | undefined;
  /** Time before which only new watchers get an update. */
  #restUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `now` is a monotonic clock in ms. */
  constructor(
    agent: Pick<Agent, "policy">,
    state: Pick<GuestState, "read" | "close">,
    now: () => number = () => performance.now(),
  ) {
    this.#agent = agent;
    this.#state = state;
    this.#now = now;
  }

  /** Begins to send to a watcher, until the returned function is called. Throws AgentError. */
  open(payload: Uint8Array, connection: WatcherConnection): () => void {
    const intervalMs = this.#checked(payload);
    const now = this.#now();
    const none = { sent: undefined, sentAt: now, number: 0, updates: 0, isSending: false };
    const watcher = { connection, intervalMs, dueAt: now, ...none };
    this.#watchers.add(watcher);
    this.#schedule();
    return () => this.#remove(watcher);
  }

  #checked(payload: Uint8Array): number {
    const request = decode(payload);
    if (request.version < 1) throw new AgentError("invalid-argument", "watch: the request has no version; set 1");
    const intervalMs = request.interval_ms === 0 ? DEFAULT_INTERVAL_MS : request.interval_ms;
    if (intervalMs < MIN_INTERVAL_MS || intervalMs > MAX_INTERVAL_MS) {
      const line = `watch: an interval of ${intervalMs} ms; choose ${MIN_INTERVAL_MS} to ${MAX_INTERVAL_MS}`;
      throw new AgentError("invalid-argument", line);
    }
    this.checkPolicy(payload);
    if (this.#watchers.size >= MAX_WATCHERS) {
      throw new AgentError("resource-exhausted", `watch: ${MAX_WATCHERS} clients watch already; end one`);
    }
    return intervalMs;
  }

  /** Throws AgentError if the policy denies a request. */
  checkPolicy(payload: Uint8Array): void {
    this.#agent.policy.check("Watch", "WatchRequest", decode(payload));
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#schedule();
    if (this.#watchers.size > 0) return;
    this.#last = undefined;
    this.#state.close();
  }

  /** Sets the timer for the watcher that is due first. One that still reads its last update isn't. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const waiting = [...this.#watchers].filter(({ isSending }) => !isSending);
    if (waiting.length === 0) return;
    const dueAt = ({ dueAt, updates }: Watcher) => (updates < FIRST_UPDATES ? dueAt : Math.max(dueAt, this.#restUntil));
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.min(...waiting.map(dueAt)) - this.#now()));
  }

  #tick(): void {
    const now = this.#now();
    const due = [...this.#watchers].filter(({ dueAt, isSending }) => !isSending && dueAt <= now + FRESH_MS);
    if (due.length > 0) {
      const before = this.#last?.snapshot;
      const snapshot = this.#read(now);
      for (const watcher of due) {
        watcher.dueAt =
          now + (++watcher.updates === 1 ? Math.min(watcher.intervalMs, FIRST_RATES_MS) : watcher.intervalMs);
        this.#send(watcher, snapshot, now).catch(() => this.#remove(watcher)); // its connection is closed
      }
      const end = this.#now();
      const shortest = Math.min(...[...this.#watchers].map(({ intervalMs }) => intervalMs));
      const idleRest = Math.min(MAX_IDLE_REST, shortest * IDLE_REST_PER_MS);
      const rest = (end - now) * (isIdle(before, snapshot) ? idleRest : REST);
      // An update for a new watcher may cut a pause short; what was left of it is added to the next.
      const owed = Math.max(0, Math.min(this.#restUntil - now, rest));
      this.#restUntil = end + rest + owed;
    }
    this.#schedule();
  }

  #read(now: number): Snapshot {
    if (this.#last !== undefined && now - this.#last.at < FRESH_MS) return this.#last.snapshot;
    const snapshot = this.#state.read();
    this.#last = { snapshot, at: now };
    return snapshot;
  }

  async #send(watcher: Watcher, snapshot: Snapshot, now: number): Promise<void> {
    const parts = watchDelta(watcher.sent, snapshot);
    if (parts.length === 0) {
      if (now - watcher.sentAt < SILENCE_MS) return;
      parts.push(unchanged(snapshot));
    }
    watcher.sent = snapshot;
    watcher.sentAt = now;
    watcher.isSending = true;
    for (const part of parts) await watcher.connection.send(watcher.number++, part);
    watcher.isSending = false;
    this.#schedule();
  }
}

/** True for a guest whose processes have used almost no processor time between two readings; false before the second. */
function isIdle(before: Snapshot | undefined, now: Snapshot): boolean {
  const [used, last] = [now.guest.usage["cpu_micros"], before?.guest.usage["cpu_micros"]];
  if (before === undefined) return false;
  if (typeof used !== "number" || typeof last !== "number") return true;
  return used - last <= IDLE_SHARE * (now.micros - before.micros);
}

function decode(payload: Uint8Array): guestd.v1.WatchRequest {
  try {
    return requestMessage.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}
