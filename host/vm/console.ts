import { appendFileSync, renameSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { withoutControls } from "../visible.ts";

export interface ConsoleOptions {
  /** Number of last lines to keep; 2000 by default. */
  readonly lines?: number;
  /** File to append each line to. After 8 MiB it is rotated to `FILE.1`. */
  readonly file?: string;
  readonly onLine?: (line: string) => void;
}

/** Maximum number of characters in a line; the rest continues on the next line. */
const LINE_LIMIT = 4096;

/** Maximum number of characters in the file, since a guest can print without end. */
const FILE_LIMIT = 8 << 20;

/** Number of lines shown with an error, and with a panic, whose trace has thirty to a hundred. */
const LAST_WORDS = 40;
const MOST_LAST_WORDS = 200;

/**
 * Terminal control sequences that firmware and kernels send to a serial line; lone control characters are removed
 * separately.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
const SEQUENCE = /\x1b\[[0-9;?]*[A-Za-z]|\x1b[a-zA-Z]/g;

/** Returns a line as a terminal may show it. */
export function cleanLine(line: string): string {
  return withoutControls(line.replace(SEQUENCE, ""));
}

/** Lines of a text stream: keeps the last ones in memory, writes all to a file, and can wait for one. */
export class Console {
  readonly #limit: number;
  readonly #file: string | undefined;
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<(line: string) => void>();
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #written = 0;

  constructor(options: ConsoleOptions = {}) {
    this.#limit = options.lines ?? 2000;
    this.#file = options.file;
    this.#onLine = options.onLine;
  }

  /** Takes the next bytes of the stream. */
  take(bytes: Buffer): void {
    this.#take(this.#decoder.write(bytes));
  }

  /** Counts what has no end as a line. */
  end(): void {
    this.#take(this.#decoder.end());
    if (this.#rest === "") return;
    this.add(this.#rest);
    this.#rest = "";
  }

  /** Adds a line as if it had been read from the stream. */
  add(line: string): void {
    const clean = cleanLine(line);
    this.#lines.push(clean);
    if (this.#lines.length > this.#limit) this.#lines.shift();
    this.#write(clean);
    this.#onLine?.(clean);
    for (const check of [...this.#waiting]) check(clean);
  }

  /** Returns at most `count` of the last non-empty lines. */
  tail(count: number): readonly string[] {
    return this.#lines.filter((line) => line.trim() !== "").slice(-count);
  }

  /** Returns the lines to show with an error: the last ones, or everything from a kernel panic on. */
  lastWords(): readonly string[] {
    const lines = this.tail(MOST_LAST_WORDS);
    const panic = lines.findLastIndex((line) => line.includes("Kernel panic"));
    return lines.slice(Math.min(panic < 0 ? lines.length : panic, Math.max(lines.length - LAST_WORDS, 0)));
  }

  /** All kept lines as one text. */
  get text(): string {
    return [...this.#lines, ...(this.#rest === "" ? [] : [this.#rest])].join("\n");
  }

  /** Resolves with the first matching line, kept or new. Rejects with the signal's reason. */
  waitFor(pattern: RegExp, signal: AbortSignal): Promise<string> {
    const known = this.#lines.find((line) => pattern.test(line));
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiting.delete(check);
        signal.removeEventListener("abort", abort);
      };
      const check = (line: string) => {
        if (!pattern.test(line)) return;
        settle();
        resolve(line);
      };
      const abort = () => {
        settle();
        reject(signal.reason);
      };
      if (signal.aborted) return abort();
      this.#waiting.add(check);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  #write(line: string): void {
    if (this.#file === undefined) return;
    this.#written += line.length + 1;
    if (this.#written > FILE_LIMIT) {
      this.#written = line.length + 1;
      renameSync(this.#file, `${this.#file}.1`);
    }
    appendFileSync(this.#file, `${line}\n`, { mode: 0o600 });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#addWhole(line);
    while (this.#rest.length > LINE_LIMIT) {
      this.add(this.#rest.slice(0, LINE_LIMIT));
      this.#rest = this.#rest.slice(LINE_LIMIT);
    }
  }

  #addWhole(line: string): void {
    for (let from = 0; from === 0 || from < line.length; from += LINE_LIMIT)
      this.add(line.slice(from, from + LINE_LIMIT));
  }
}
