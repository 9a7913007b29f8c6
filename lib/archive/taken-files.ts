import { bytesOf } from "./member.ts";
import type { TakenFile, TreeFiles } from "./tree-files.ts";

/** Files that are read at once: the requests of one message. */
const AT_ONCE = 8;

/** The small files of a directory, read in one step each where a tree has that, and several at once as long as they follow each other. */
export class TakenFiles {
  readonly #files: TreeFiles;
  readonly #dir: number;
  readonly #names: readonly string[];
  /** Entries that were read, from `#first` on. */
  #taken: readonly (TakenFile | undefined)[] = [];
  #first = 0;
  #count = 1;

  constructor(files: TreeFiles, dir: number, names: readonly string[]) {
    this.#files = files;
    this.#dir = dir;
    this.#names = names;
  }

  /** Resolves with an entry; undefined if it takes more steps. */
  async at(index: number): Promise<TakenFile | undefined> {
    const { take } = this.#files;
    if (take === undefined) return undefined;
    if (index >= this.#first + this.#taken.length) {
      const names = this.#names.slice(index, index + this.#count);
      this.#taken = await Promise.all(names.map((name) => take(this.#dir, bytesOf(name))));
      this.#first = index;
    }
    const taken = this.#taken[index - this.#first];
    if (taken !== undefined && isPlain(taken)) {
      this.#count = Math.min(2 * this.#count, AT_ONCE);
      return taken;
    }
    // Reads the rest again later: copying a directory or a large file may take long, and change what was read.
    [this.#taken, this.#count] = [[], 1];
    return undefined;
  }
}

/** True for a file with one name and without holes. */
const isPlain = ({ stat }: TakenFile): boolean => stat.nlink === 1n && stat.blocks * 512n >= stat.size;
