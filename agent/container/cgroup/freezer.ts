import type { Files } from "../../kernel/files.ts";
import { Lock } from "../../kernel/wait/lock.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { isFrozen, setFrozen } from "./cgroup-freeze.ts";

/** Records whether a cgroup is held: true before it is frozen, false after it is thawed. */
export type NoteHeld = (held: boolean) => void;

/** Freezes one cgroup for several users, one at a time: a pause, and holds for the duration of an operation. */
export class Freezer {
  readonly #files: Files;
  readonly #cgroup: string;
  readonly #lock = new Lock();

  constructor(files: Files, cgroup: string) {
    this.#files = files;
    this.#cgroup = cgroup;
  }

  /** Freezes or thaws the cgroup once no hold is active. */
  set(frozen: boolean, signal: AbortSignal): Promise<void> {
    const turn = this.#lock.run(async () => {
      signal.throwIfAborted();
      await setFrozen(this.#files, this.#cgroup, frozen, signal);
    });
    return waitUntil(turn, signal);
  }

  /**
   * Freezes the cgroup until the returned function is called, which resolves when the cgroup is thawed; a paused cgroup
   * stays frozen. Rejects if it doesn't freeze in time or if `signal` aborts.
   */
  async hold(note: NoteHeld, signal: AbortSignal): Promise<() => Promise<void>> {
    const frozen = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const done = this.#lock.run(async () => {
      signal.throwIfAborted();
      if (!this.#files.exists(this.#cgroup) || isFrozen(this.#files, this.#cgroup)) {
        frozen.resolve();
        return release.promise;
      }
      note(true);
      try {
        await setFrozen(this.#files, this.#cgroup, true, signal);
        frozen.resolve();
        await release.promise;
      } finally {
        await this.#thaw(note);
      }
    });
    done.catch(frozen.reject);
    try {
      await waitUntil(frozen.promise, signal);
    } catch (error) {
      release.resolve();
      throw error;
    }
    return () => {
      release.resolve();
      return done;
    };
  }

  /** Ends a hold that a previous agent was killed in. */
  endHold(note: NoteHeld): Promise<void> {
    return this.#lock.run(() => this.#thaw(note));
  }

  async #thaw(note: NoteHeld): Promise<void> {
    try {
      await setFrozen(this.#files, this.#cgroup, false);
    } catch (error) {
      if (this.#files.exists(this.#cgroup)) throw error; // otherwise its container was removed meanwhile
    }
    note(false);
  }
}
