import type { OutputName } from "../../client/streams/position.ts";

/** Lines of one output that begin at one time. */
export interface LogLines {
  readonly name: OutputName;
  readonly time: Date | undefined;
  /** Their bytes: all parts but the first one continue the last line, which may have no end yet. */
  readonly parts: Uint8Array[];
}

/** Lines with their number. */
interface CountedLines extends LogLines {
  count: number;
}

const NEWLINE = 10;
/** Memory that the past may take until it is ordered, with so much for each part; bytes. */
const MAX_HELD = 16 << 20;
const PART_COST = 512;

/**
 * The past of a log, held until the lines of both outputs can be ordered by their times. An agent decides how much of it
 * there is and how short its lines are, so it is held in the pieces that the agent sent. If they take too much memory, what has
 * come so far is ordered and printed, or with `tail` only the newest lines are kept.
 */
export class LogPast {
  readonly #tail: number | undefined;
  #lines: CountedLines[] = [];
  /** Lines of each output whose last one has no end yet. */
  #open: Partial<Record<OutputName, CountedLines>> = {};
  #held = 0;
  /** True if lines of the tail were dropped. */
  isCut = false;

  constructor(tail: number | undefined) {
    this.#tail = tail;
  }

  /** Adds a copy of some output, and returns the lines that are to be printed meanwhile. */
  add(name: OutputName, time: Date | undefined, bytes: Uint8Array): readonly LogLines[] {
    if (bytes.length === 0) return [];
    const copy = Buffer.from(bytes);
    let open = this.#open[name];
    const end = open === undefined ? 0 : copy.indexOf(NEWLINE) + 1 || copy.length;
    if (end > 0) open?.parts.push(copy.subarray(0, end));
    if (end < copy.length) {
      const rest = copy.subarray(end);
      open = { name, time, parts: [rest], count: countLines(rest) };
      this.#lines.push(open);
    }
    if (copy.at(-1) === NEWLINE) delete this.#open[name];
    else if (open !== undefined) this.#open[name] = open;
    this.#held += copy.length + 2 * PART_COST;
    if (this.#held <= MAX_HELD) return [];
    if (this.#tail === undefined) return this.take();
    this.#drop();
    return [];
  }

  /** Returns the lines in the order of their times, with `tail` the last ones, and forgets them. */
  take(): readonly LogLines[] {
    return this.#take();
  }

  #take(): CountedLines[] {
    const lines = this.#lines.sort((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0));
    [this.#lines, this.#open, this.#held] = [[], {}, 0];
    return this.#tail === undefined ? lines : lastLines(lines, this.#tail);
  }

  /** Keeps the tail, or the newest part of one that is too long. */
  #drop(): void {
    const open = Object.values(this.#open);
    for (const each of this.#take().reverse()) {
      const { first, cost } = newestParts(each.parts, MAX_HELD / 2 - this.#held);
      this.#held += cost;
      if (first < each.parts.length) this.#lines.push(each);
      if (first === 0) continue;
      each.parts.splice(0, first);
      each.count = 1; // the last line, which the remaining parts continue
      this.isCut = true;
      break;
    }
    this.#lines.reverse();
    for (const each of open) if (this.#lines.includes(each)) this.#open[each.name] = each;
  }
}

/** Finds the first of the newest parts that fit into so many bytes, and what they cost. */
function newestParts(parts: readonly Uint8Array[], most: number): { readonly first: number; readonly cost: number } {
  let [first, cost] = [parts.length, 0];
  for (; first > 0; first--) {
    const next = cost + (parts[first - 1]?.length ?? 0) + PART_COST;
    if (next > most) break;
    cost = next;
  }
  return { first, cost };
}

/** Removes the last `count` lines of `all`, and returns them. */
function lastLines(all: CountedLines[], count: number): CountedLines[] {
  const last: CountedLines[] = [];
  for (let left = count; left > 0; ) {
    const next = all.pop();
    if (next === undefined) break;
    if (next.count > left) dropLines(next, next.count - left);
    last.push(next);
    left -= next.count;
  }
  return last.reverse();
}

function countLines(bytes: Uint8Array): number {
  let count = bytes.at(-1) === NEWLINE ? 0 : 1;
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === NEWLINE) count++;
  return count;
}

/** Drops the first lines, which end in the first part, and their memory. */
function dropLines(lines: CountedLines, count: number): void {
  const [first = Buffer.alloc(0)] = lines.parts;
  let at = 0;
  for (let left = count; left > 0; left--) at = first.indexOf(NEWLINE, at) + 1;
  lines.parts[0] = Buffer.from(first.subarray(at));
  lines.count -= count;
}
