import type { Duplex } from "node:stream";
import { createLog } from "./log.ts";
import { writeConsole } from "./write-console.ts";

/** Lines kept for readers that connect late. */
const KEPT_LINES = 512;
/** Bytes. A reader that is further behind loses lines until it has caught up. */
const MAX_BEHIND = 1 << 20;

/** Writes log lines to the console and to the readers on the log port, and keeps the last ones. */
export class LogSink {
  readonly #version: string;
  /** Readers with the count of lines that they have lost since they were behind. */
  readonly #readers = new Map<Duplex, number>();
  readonly #last: string[] = [];
  /** Whether lines go to the console, too. */
  console = true;

  constructor(version: string) {
    this.#version = version;
  }

  write(line: string): void {
    if (this.#last.push(line) > KEPT_LINES) this.#last.shift();
    for (const [reader, lost] of this.#readers) {
      if (lost === 0 && reader.writableLength < MAX_BEHIND) reader.write(line);
      else this.#readers.set(reader, lost + 1);
    }
    if (this.console) writeConsole(line);
  }

  /** Adds a reader, which gets the kept lines, then each new line until it disconnects. */
  addReader(socket: Duplex): void {
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#readers.delete(socket));
    socket.on("end", () => socket.destroy());
    socket.on("drain", () => this.#countLost(socket));
    socket.resume();
    socket.write(this.#last.join(""));
    this.#readers.set(socket, 0);
  }

  close(): void {
    for (const reader of this.#readers.keys()) reader.end();
  }

  /** Tells a reader that has caught up how many lines it has lost. */
  #countLost(reader: Duplex): void {
    const lost = this.#readers.get(reader) ?? 0;
    if (lost === 0) return;
    this.#readers.set(reader, 0);
    const log = createLog({ level: "warn", version: this.#version, write: (line) => reader.write(line) });
    log.warn({ lines: lost }, "lines are missing: this reader was too slow");
  }
}
