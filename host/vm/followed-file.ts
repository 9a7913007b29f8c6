import { closeSync, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

const CHUNK = 64 << 10;
/** Chunks that are read without a pause for other work: a guest may print without end. */
const MOST_CHUNKS = 16;
/** Milliseconds between two looks at a file that can't be watched. */
const POLL_MS = 100;

/**
 * Reads a file to which a program appends, and which it renames to FILE.1 when it is full. The file may be created later; its
 * folder exists.
 */
export class FollowedFile implements Disposable {
  readonly #path: string;
  readonly #take: (bytes: Buffer) => void;
  readonly #watcher: { close(): void };
  #file: number | undefined;
  #position: number;
  #isClosed = false;

  /** Calls `take` with everything from byte `from` on. `watchFolder` is for tests. */
  constructor(path: string, take: (bytes: Buffer) => void, from = 0, watchFolder = watch) {
    this.#path = path;
    this.#take = take;
    this.#position = from;
    this.#watcher = this.#watch(watchFolder);
    this.read();
  }

  /** Reads what is there now; if it is much, the rest follows a little later. */
  read(): void {
    if (this.#isClosed) return;
    const ino = statSync(this.#path, { throwIfNoEntry: false })?.ino;
    if (this.#file === undefined) {
      this.#open();
    } else if (this.#readRest(this.#file) && ino !== undefined && ino !== fstatSync(this.#file).ino) {
      // Once more, for what was written before the file was renamed.
      if (!this.#readRest(this.#file)) return;
      closeSync(this.#file);
      this.#file = undefined;
      this.#position = 0;
      this.#open();
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watcher.close();
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #watch(watchFolder: typeof watch): { close(): void } {
    const name = basename(this.#path);
    try {
      // The folder: a watched file would be followed to its new name.
      const watcher = watchFolder(dirname(this.#path), { persistent: false }, (_, changed) => {
        if (changed === name) this.read();
      });
      watcher.on("error", () => undefined); // the folder is gone
      return watcher;
    } catch {
      // This user has no inotify watch left.
      const timer = setInterval(() => this.read(), POLL_MS).unref();
      return { close: () => clearInterval(timer) };
    }
  }

  #open(): void {
    try {
      this.#file = openSync(this.#path, "r");
    } catch {
      return; // it isn't there yet, is being renamed, or no descriptor is left: tried again when it changes
    }
    this.#readRest(this.#file);
  }

  /** Returns false if the rest follows later. */
  #readRest(file: number): boolean {
    for (let chunks = 0; chunks < MOST_CHUNKS; chunks++) {
      const bytes = Buffer.allocUnsafe(CHUNK);
      const count = readSync(file, bytes, 0, CHUNK, this.#position);
      if (count === 0) return true;
      this.#position += count;
      this.#take(bytes.subarray(0, count));
    }
    setImmediate(() => this.read());
    return false;
  }
}
