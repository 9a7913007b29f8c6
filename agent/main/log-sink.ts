import type { Duplex } from "node:stream";
import { writeConsole } from "./write-console.ts";

/** Lines kept for readers that connect late. */
const KEPT_LINES = 512;
/** Bytes. A reader that is further behind loses lines. */
const MAX_BEHIND = 1 << 20;

/** Writes log lines to the console and to the readers on the log port, and keeps the last ones. */
export class LogSink {
  readonly #readers = new Set<Duplex>();
  readonly #last: string[] = [];
  /** Whether lines go to the console, too. */
  console = true;

  write(line: string): void {
    if (this.#last.push(line) > KEPT_LINES) this.#last.shift();
    for (const reader of this.#readers) if (reader.writableLength < MAX_BEHIND) reader.write(line);
    if (this.console) writeConsole(line);
  }

  /** Adds a reader, which gets the kept lines, then each new line until it disconnects. */
  addReader(socket: Duplex): void {
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#readers.delete(socket));
    socket.on("end", () => socket.destroy());
    socket.resume();
    socket.write(this.#last.join(""));
    this.#readers.add(socket);
  }

  close(): void {
    for (const reader of this.#readers) reader.end();
  }
}
