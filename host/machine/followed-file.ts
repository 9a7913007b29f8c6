import { closeSync, type FSWatcher, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

const CHUNK = 64 << 10;
/** Chunks that are read without a pause for other work: a guest may print without end. */
const MOST_CHUNKS = 16;

/**
 * Reads a file to which a program adds, and which it renames to FILE.1 when it is full. The file may be created later; its
 * folder exists.
 */
export class FollowedFile implements Disposable {
  readonly #path: string;
  readonly #take: (bytes: Buffer) => void;
  readonly #watcher: FSWatcher;
  #file: number | undefined;
  #position: number;
  #isClosed = false;

  /** Calls `take` with what the file has from byte `from` on, and gets. */
  constructor(path: string, take: (bytes: Buffer) => void, from = 0) {
    this.#path = path;
    this.#take = take;
    this.#position = from;
    const name = basename(path);
    // The folder: a watched file would be followed to its new name.
    this.#watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
      if (changed === name) this.read();
    });
    this.#watcher.on("error", () => undefined); // the folder is gone
    this.read();
  }

  /** Reads what is there now; of much, the rest a little later. */
  read(): void {
    if (this.#isClosed) return;
    const { ino } = statSync(this.#path, { throwIfNoEntry: false }) ?? {};
    if (this.#file !== undefined) {
      if (!this.#readFile(this.#file)) return;
      if (ino === undefined || ino === fstatSync(this.#file).ino) return;
      if (!this.#readFile(this.#file)) return; // written before the file was renamed
      closeSync(this.#file);
      this.#position = 0;
    } else if (ino === undefined) return;
    this.#file = openSync(this.#path, "r");
    this.#readFile(this.#file);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watcher.close();
    if (this.#file !== undefined) closeSync(this.#file);
  }

  /** Returns false if the rest follows later. */
  #readFile(file: number): boolean {
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
