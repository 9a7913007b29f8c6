import { ArchiveError } from "./archive-error.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { nameOf, TEMPORARY } from "./member.ts";

/** Most entries of one directory. */
const MAX_ENTRIES = 1 << 18;
/** Memory for a name beside its bytes: the head of a string, its place in a list and in the one that is being merged. */
const NAME_BYTES = 48;
/** Names that are sorted, and merged, without a pause. */
const AT_ONCE = 4096;

/** Names in a directory, sorted by their bytes. Takes their room from a budget until it is disposed of. */
export class DirectoryNames implements Disposable {
  readonly #budget: ByteBudget;
  #bytes = 0;
  #sorted: readonly string[] = [];

  private constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Reads and sorts in turns with other work. Rejects with ArchiveError if the names are too many, or too long together. */
  static async read(
    listing: AsyncIterable<readonly Uint8Array[]>,
    budget: ByteBudget,
    yieldNow: () => Promise<void> | undefined,
  ): Promise<DirectoryNames> {
    const names = new DirectoryNames(budget);
    try {
      names.#sorted = await names.#read(listing, yieldNow);
      return names;
    } catch (error) {
      names[Symbol.dispose]();
      throw error;
    }
  }

  get sorted(): readonly string[] {
    return this.#sorted;
  }

  [Symbol.dispose](): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }

  async #read(listing: AsyncIterable<readonly Uint8Array[]>, yieldNow: () => Promise<void> | undefined) {
    const runs: string[][] = [];
    let [run, count]: [string[], number] = [[], 0];
    for await (const some of listing) {
      for (const name of some.map(nameOf)) {
        if (!name.startsWith(TEMPORARY)) {
          this.#take(name);
          run.push(name);
        }
      }
      count += some.length;
      if (count > MAX_ENTRIES) throw tooMany(`more than ${MAX_ENTRIES} entries in one directory`);
      if (run.length < AT_ONCE) continue;
      runs.push(run.sort());
      run = [];
      await yieldNow();
    }
    runs.push(run.sort());
    return await merged(runs, yieldNow);
  }

  #take(name: string): void {
    const bytes = name.length + NAME_BYTES;
    if (!this.#budget.take(bytes)) {
      throw tooMany("more names in directories than there is memory for; copy its directories one by one");
    }
    this.#bytes += bytes;
  }
}

const tooMany = (why: string) => new ArchiveError("resource-exhausted", why);

/** Merges sorted lists, two by two. */
async function merged(runs: string[][], yieldNow: () => Promise<void> | undefined): Promise<string[]> {
  for (let [one, other] = runs.splice(0, 2); one !== undefined; [one, other] = runs.splice(0, 2)) {
    if (other === undefined) return one;
    const both: string[] = [];
    let [i, j] = [0, 0];
    for (let [a, b] = [one[0], other[0]]; a !== undefined || b !== undefined; ) {
      if (b === undefined || (a !== undefined && a < b)) {
        if (a !== undefined) both.push(a);
        a = one[++i];
      } else {
        both.push(b);
        b = other[++j];
      }
      if (both.length % AT_ONCE === 0) await yieldNow();
    }
    runs.push(both);
  }
  return [];
}
