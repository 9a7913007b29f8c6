import type { ByteBudget } from "./byte-budget.ts";
import type { TreeStat } from "./tree-files.ts";

/** Most files with several names of one copy. */
const MAX_LINKED = 1 << 16;
/** Memory for a file beside the bytes of its name: the heads of two strings, the second one's text, an entry of a map. */
const ENTRY_BYTES = 112;

/** First names of files that have several. Takes their room from a budget until it is disposed of. */
export class FirstNames implements Disposable {
  readonly #budget: ByteBudget;
  /** By device and inode. */
  readonly #names = new Map<string, string>();
  #bytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Returns a file's first name, which is `name` if it has none yet; undefined if no more can be remembered. */
  of(name: string, { dev, ino }: TreeStat): string | undefined {
    const key = `${dev}:${ino}`;
    const first = this.#names.get(key);
    if (first !== undefined) return first;
    const bytes = name.length + ENTRY_BYTES;
    if (this.#names.size >= MAX_LINKED || !this.#budget.take(bytes)) return undefined;
    this.#bytes += bytes;
    this.#names.set(key, name);
    return name;
  }

  [Symbol.dispose](): void {
    this.#names.clear();
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }
}
