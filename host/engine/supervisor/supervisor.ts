import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { oneLine } from "../../operation-error.ts";
import type { StateStore } from "../record/state-store.ts";
import { findLost, type Lost } from "./find-lost.ts";
import { keepLost } from "./keep-lost.ts";
import type { SupervisorOperations } from "./supervise.ts";

/** Milliseconds for which a supervisor without work waits for more. */
const LINGER_MS = 2000;
/** Milliseconds for which a command waits until a guest or container is kept, whose agent may not answer. */
const TAKE_MS = 60_000;

interface Task {
  readonly lost: Lost;
  /** Stands for the signals of a guestctl. */
  readonly signals: EventEmitter;
  readonly done: Promise<void>;
}

/**
 * Keeps guests and serves detached containers of one user. It has no state that isn't in the folder of the guests: one that is
 * killed is replaced by the next command, and output continues at its byte.
 */
export class Supervisor implements SupervisorOperations {
  readonly #store: StateStore;
  readonly #takeMs: number;
  readonly #tasks = new Set<Task>();
  /** Milliseconds of the last pause before a restart, by guest and container. */
  readonly #pauses = new Map<string, number>();
  #adopting: Promise<readonly string[]> = Promise.resolve([]);
  #used = 0;

  constructor(store: StateStore, takeMs = TAKE_MS) {
    this.#store = store;
    this.#takeMs = takeMs;
  }

  async adopt(): Promise<{ readonly failures: readonly string[] }> {
    this.#adopting = this.#adopting.then(() => this.#adoptAll());
    return { failures: await this.#adopting };
  }

  async end({ guest, id }: Pick<Lost, "guest" | "id">): Promise<{ readonly isKept: boolean }> {
    const tasks = this.#of(guest, id);
    for (const { signals } of tasks) signals.emit("SIGTERM");
    await Promise.all(tasks.map(({ done }) => done));
    return { isKept: tasks.length > 0 };
  }

  /** Resolves once there has been nothing to do for a while. */
  async idle(): Promise<void> {
    for (let used = -1; this.#tasks.size > 0 || used !== this.#used; ) {
      used = this.#used;
      await Promise.all([...this.#tasks].map(({ done }) => done));
      await delay(LINGER_MS);
      await this.#adopting;
    }
  }

  #of(guest: string, id: string): readonly Task[] {
    return [...this.#tasks].filter(({ lost }) => lost.guest === guest && lost.id === id);
  }

  async #adoptAll(): Promise<readonly string[]> {
    this.#used++;
    // A container that waits for its next run is the same task's.
    const lost = findLost(this.#store).filter(({ isEnded, guest, id }) => !isEnded || this.#of(guest, id).length === 0);
    const isGuest = ({ guest, id }: Lost) => guest === id;
    const takeAll = (some: readonly Lost[]) => Promise.all(some.map((each) => this.#take(each)));
    const guests = await takeAll(lost.filter(isGuest));
    // A container is reached through who keeps its guest.
    const containers = await takeAll(lost.filter((each) => !isGuest(each)));
    return [...guests, ...containers].filter((failure) => failure !== undefined);
  }

  /** Resolves once the guest or container is kept, after a while in any case, or with the line of why it can't be. */
  async #take(lost: Lost): Promise<string | undefined> {
    const { guest, id } = lost;
    const signals = new EventEmitter();
    const up = Promise.withResolvers<undefined>();
    let isUp = false;
    const key = `${guest}/${id}`;
    const keeping = keepLost(this.#store, lost, {
      signals,
      onUp: () => {
        isUp = true;
        up.resolve(undefined);
      },
      pause: { before: this.#pauses.get(key) ?? 0, note: (ms) => this.#pauses.set(key, ms) },
    });
    let failure: string | undefined;
    const done = keeping
      .catch((error: unknown) => {
        failure = this.#lineOf(lost, error);
      })
      .finally(() => {
        this.#tasks.delete(task);
        // The next run of a container is another task's.
        if (this.#of(guest, id).length === 0) this.#store.leave(guest, id);
        // A next run may have been begun by a command that was killed.
        if (isUp) void this.adopt();
      });
    const task: Task = { lost, signals, done };
    this.#tasks.add(task);
    return await Promise.race([up.promise, done.then(() => failure), delay(this.#takeMs, undefined, { ref: false })]);
  }

  #lineOf({ guest, id }: Lost, error: unknown): string {
    const isRunning = this.#store.guest(guest) !== undefined;
    const line = `${id}: no guestctl keeps it any more, and the supervisor can't: ${oneLine(error)}`;
    return isRunning ? `${line}; guestctl stop ${guest} ends it` : line;
  }
}
