import type { Files } from "../../kernel/files.ts";
import { Lock } from "../../kernel/wait/lock.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { isFrozen, setFrozen } from "./cgroup-freeze.ts";

/** Tells whether a cgroup is held: before it is frozen, and when it runs again. */
export type NoteHeld = (held: boolean) => void;

/** Freezes one cgroup for several reasons, one after the other: a pause, and those that hold it while something is done. */
export class Freezer {
  readonly #files: Files;
  readonly #cgroup: string;
  readonly #lock = new Lock();

  constructor(files: Files, cgroup: string) {
    this.#files = files;
    this.#cgroup = cgroup;
  }

  /** Freezes or thaws it, once nothing holds it. */
  set(frozen: boolean, signal: AbortSignal): Promise<void> {
    const turn = this.#lock.run(async () => {
      signal.throwIfAborted();
      await setFrozen(this.#files, this.#cgroup, frozen, signal);
    });
    return waitUntil(turn, signal);
  }

  /**
   * Freezes it until the returned function is called, which resolves when it runs again; what a pause has frozen stays so. Rejects
   * when it doesn't stand still in time, and when `signal` aborts.
   */
  async hold(note: NoteHeld, signal: AbortSignal): Promise<() => Promise<void>> {
    const still = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const done = this.#lock.run(async () => {
      signal.throwIfAborted();
      if (!this.#files.exists(this.#cgroup) || isFrozen(this.#files, this.#cgroup)) {
        still.resolve();
        return over.promise;
      }
      note(true);
      try {
        await setFrozen(this.#files, this.#cgroup, true, signal);
        still.resolve();
        await over.promise;
      } finally {
        await this.#thaw(note);
      }
    });
    done.catch(still.reject);
    try {
      await waitUntil(still.promise, signal);
    } catch (error) {
      over.resolve();
      throw error;
    }
    return () => {
      over.resolve();
      return done;
    };
  }

  /** Ends a hold that an agent before did not live to end. */
  letGo(note: NoteHeld): Promise<void> {
    return this.#lock.run(() => this.#thaw(note));
  }

  async #thaw(note: NoteHeld): Promise<void> {
    try {
      await setFrozen(this.#files, this.#cgroup, false);
    } catch (error) {
      if (this.#files.exists(this.#cgroup)) throw error; // else its container was removed meanwhile
    }
    note(false);
  }
}
