import type { OutputName } from "../client/streams/attachment.ts";

/** A line with its end, or a part of one. */
export interface LogLine {
  readonly name: OutputName;
  readonly time: Date | undefined;
  readonly bytes: Uint8Array;
}

const NEWLINE = 10;
/** Memory that the past may take until it is ordered, with so much for each line; bytes. */
const MAX_HELD = 16 << 20;
const LINE_COST = 256;

/** Splits bytes after each newline. */
export function linesOf(name: OutputName, time: Date | undefined, bytes: Uint8Array): LogLine[] {
  const lines: LogLine[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline + 1;
    lines.push({ name, time, bytes: Buffer.from(bytes.subarray(at, end)) });
    at = end;
  }
  return lines;
}

export const isWhole = ({ bytes }: LogLine): boolean => bytes.at(-1) === NEWLINE;

/**
 * The past of a log, held until the lines of both outputs can be ordered by their times. An agent decides how much of it
 * there is, so of a longer one parts are ordered, or with `tail` only the newest lines are kept.
 */
export class LogPast {
  readonly #tail: number | undefined;
  #parts: LogLine[] = [];
  #held = 0;
  /** True if lines of the tail were dropped. */
  isCut = false;

  constructor(tail: number | undefined) {
    this.#tail = tail;
  }

  /** Adds a part, and returns the lines that are to be printed meanwhile. */
  add(part: LogLine): readonly LogLine[] {
    this.#parts.push(part);
    this.#held += costOf(part);
    if (this.#held <= MAX_HELD) return [];
    const lines = this.take();
    if (this.#tail === undefined) return lines;
    let [first, cost] = [lines.length, 0];
    for (let at = lines.length - 1; at >= 0 && cost <= MAX_HELD / 2; at--) {
      cost += costOf(lines[at] as LogLine);
      first = at;
    }
    this.isCut ||= first > 0;
    this.#parts = lines.slice(first);
    this.#held = cost;
    return [];
  }

  /** Returns the lines in the order of their times, with `tail` the last ones, and forgets them. */
  take(): LogLine[] {
    const lines = joined(this.#parts);
    this.#parts = [];
    this.#held = 0;
    lines.sort((a, b) => (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0));
    return this.#tail === undefined ? lines : lines.slice(Math.max(lines.length - this.#tail, 0));
  }
}

const costOf = ({ bytes }: LogLine): number => bytes.length + LINE_COST;

/** Joins the parts of each output's lines. */
function joined(parts: readonly LogLine[]): LogLine[] {
  const lines: LogLine[][] = [];
  const open: Partial<Record<OutputName, LogLine[]>> = {};
  for (const part of parts) {
    const line = open[part.name] ?? [];
    if (line.push(part) === 1) lines.push(line);
    if (isWhole(part)) delete open[part.name];
    else open[part.name] = line;
  }
  return lines.flatMap((line) => {
    const [first] = line;
    if (first === undefined || line.length === 1) return line;
    return [{ ...first, bytes: Buffer.concat(line.map(({ bytes }) => bytes)) }];
  });
}
