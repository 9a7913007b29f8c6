import { appendFileSync, renameSync } from "node:fs";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { withoutControls } from "../visible.ts";

export interface ConsoleOptions {
  /** How many of the last lines are kept; 2000 when left out. */
  readonly lines?: number;
  /** Every line is appended to this file as it comes; after 8 MiB it becomes `FILE.1`, and a new one is begun. */
  readonly file?: string;
  readonly onLine?: (line: string) => void;
}

/** Characters of a line; what is longer goes on as the next line. */
const LINE_LIMIT = 4096;

/** Characters of the file: a guest can print without end. */
const FILE_LIMIT = 8 << 20;

/** Lines behind an error; and with a panic, whose trace has from thirty to a hundred. */
const LAST_WORDS = 40;
const MOST_LAST_WORDS = 200;

/** Terminal control sequences, which firmware and kernels send to a serial line; lone control characters go as well. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
const SEQUENCE = /\x1b\[[0-9;?]*[A-Za-z]|\x1b[a-zA-Z]/g;

/** The lines of a text stream: the last ones in memory, all of them in a file, and someone who waits for one of them. */
export class Console {
  readonly #limit: number;
  readonly #file: string | undefined;
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<(line: string) => void>();
  #rest = "";
  #written = 0;

  constructor(options: ConsoleOptions = {}) {
    this.#limit = options.lines ?? 2000;
    this.#file = options.file;
    this.#onLine = options.onLine;
  }

  /** Reads the stream to its end; an error of the stream is its end. */
  read(stream: Readable): void {
    const decoder = new StringDecoder("utf8");
    stream.on("data", (bytes: Buffer) => this.#take(decoder.write(bytes)));
    stream.once("error", () => undefined);
    stream.once("close", () => this.#flush(decoder.end()));
  }

  /** Adds a line as if it had been read. */
  add(line: string): void {
    const clean = withoutControls(line.replace(SEQUENCE, ""));
    this.#lines.push(clean);
    if (this.#lines.length > this.#limit) this.#lines.shift();
    this.#write(clean);
    this.#onLine?.(clean);
    for (const check of [...this.#waiting]) check(clean);
  }

  /** The kept lines that are not empty, at most `count` of the last ones. */
  tail(count: number): readonly string[] {
    return this.#lines.filter((line) => line.trim() !== "").slice(-count);
  }

  /** What belongs behind an error: the last lines, and where the kernel panicked all from there on, however long its trace is. */
  lastWords(): readonly string[] {
    const lines = this.tail(MOST_LAST_WORDS);
    const panic = lines.findLastIndex((line) => line.includes("Kernel panic"));
    return lines.slice(Math.min(panic < 0 ? lines.length : panic, Math.max(lines.length - LAST_WORDS, 0)));
  }

  /** All kept lines as one text. */
  get text(): string {
    return [...this.#lines, ...(this.#rest === "" ? [] : [this.#rest])].join("\n");
  }

  /** The next line that matches, kept ones first. Rejects with the signal's reason. */
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

  #flush(text: string): void {
    this.#take(text);
    if (this.#rest === "") return;
    this.add(this.#rest);
    this.#rest = "";
  }
}
