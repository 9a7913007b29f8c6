import { LOG_WINDOW, type LogGap, type LogLines, type LogPart } from "../protocol/logs.ts";
import type { ChannelPort } from "../socket/channel.ts";
import { Window } from "../terminal/window.ts";

/** Parts are collected for so long, and sent in messages of about so many characters. */
const COLLECT_MS = 20;
const MESSAGE_CHARACTERS = 32 * 1024;
/** Most lines of the past while it is collected, and their characters: an agent decides how much of it there is. */
const MAX_PAST_LINES = 20_000;
const MAX_PAST_CHARACTERS = 4 << 20;

/** Sends the parts of merged logs: the past sorted by time, then everything as it comes, no faster than the page shows it. */
export class LogSender {
  readonly #port: ChannelPort;
  readonly #tail: number;
  readonly #search: string | undefined;
  readonly #window = new Window(LOG_WINDOW);
  #past: LogPart[] | undefined = [];
  #held = { lines: 0, characters: 0 };
  #parts: LogPart[] = [];
  #characters = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropped = { lines: 0, bytes: 0 };

  constructor(port: ChannelPort, { tail, search }: { readonly tail: number; readonly search: string | undefined }) {
    this.#port = port;
    this.#tail = tail;
    this.#search = search?.toLowerCase();
  }

  /** Takes what the page reports to have shown. */
  shown(lines: number): void {
    this.#window.show(lines);
  }

  /** Sends the past. What was added before is part of it. */
  endPast(): void {
    const past = this.#past;
    if (past === undefined) return;
    this.#past = undefined;
    for (const part of lastParts(past, this.#tail)) this.#add(part);
    this.#flush();
    this.#port.send({ isLive: true });
  }

  /** Adds lines; resolves once more may be added. */
  async lines(part: LogLines): Promise<void> {
    const lines = this.#matching(part.lines);
    if (lines.length === 0) return;
    const matching = { ...part, lines };
    if (this.#past === undefined) {
      this.#add(matching);
      if (this.#isOpen) return;
      this.#flush();
      await this.#window.opened();
      await this.#port.drained();
      return;
    }
    this.#hold(this.#past, matching);
  }

  /** Adds lines of a source that can't wait: drops and counts them while the page is slow. */
  linesOrDrop(part: LogLines): void {
    if (this.#past !== undefined || this.#isOpen) {
      void this.lines(part);
      return;
    }
    const lines = this.#matching(part.lines);
    this.#dropped.lines += lines.length;
    this.#dropped.bytes += lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  }

  gap(part: LogGap): void {
    if (this.#past === undefined) this.#add(part);
    else this.#hold(this.#past, part);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#window.close();
  }

  /** Adds to the past, and drops the oldest of what is too much. */
  #hold(past: LogPart[], part: LogPart): void {
    past.push(part);
    this.#count(part, 1);
    while (this.#held.lines > MAX_PAST_LINES || this.#held.characters > MAX_PAST_CHARACTERS) {
      const first = past.shift();
      if (first === undefined) return;
      this.#count(first, -1);
    }
  }

  #count(part: LogPart, sign: 1 | -1): void {
    const texts = "lines" in part ? part.lines : ["gap" in part ? part.gap.reason : ""];
    this.#held.lines += sign * texts.length;
    for (const text of texts) this.#held.characters += sign * text.length;
  }

  get #isOpen(): boolean {
    return this.#window.isOpen && !this.#port.isFull;
  }

  #matching(lines: readonly string[]): readonly string[] {
    const search = this.#search;
    return search === undefined ? lines : lines.filter((line) => line.toLowerCase().includes(search));
  }

  #add(part: LogPart): void {
    if (this.#dropped.lines > 0) {
      this.#parts.push({ dropped: this.#dropped });
      this.#dropped = { lines: 0, bytes: 0 };
    }
    this.#parts.push(part);
    if ("lines" in part) {
      this.#window.sent(part.lines.length);
      for (const line of part.lines) this.#characters += line.length + 1;
    }
    if (this.#characters >= MESSAGE_CHARACTERS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), COLLECT_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const log = this.#parts;
    [this.#parts, this.#characters] = [[], 0];
    if (log.length > 0) this.#port.send({ log });
  }
}

/** Sorts parts by their times, parts without one after those before them, and returns the last lines. */
export function lastParts(parts: readonly LogPart[], tail: number): LogPart[] {
  const times = new Map<string, number>();
  const timed = parts.map((part) => {
    if (!("lines" in part) || part.time === undefined) return { part, time: times.get(sourceOf(part)) ?? 0 };
    times.set(sourceOf(part), part.time);
    return { part, time: part.time };
  });
  timed.sort((a, b) => a.time - b.time);
  const last: LogPart[] = [];
  let left = tail;
  for (const { part } of timed.toReversed()) {
    if (left <= 0) break;
    if (!("lines" in part)) {
      last.push(part);
      continue;
    }
    const lines = part.lines.slice(-left);
    left -= lines.length;
    last.push({ ...part, lines });
  }
  return last.reverse();
}

function sourceOf(part: LogPart): string {
  return "container" in part ? part.container : "";
}
