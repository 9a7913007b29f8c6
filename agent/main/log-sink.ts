import type { Duplex } from "node:stream";
import { writeConsole } from "./write-console.ts";

/** Lines that a reader who connects late still gets. */
const KEPT_LINES = 512;
/** A reader that is this far behind loses lines, bytes. */
const MAX_BEHIND = 1 << 20;

/** Where log lines go: to the console, or to whoever is connected to the log port; the last ones are kept. */
export class LogSink {
  readonly #readers = new Set<Duplex>();
  readonly #last: string[] = [];
  /** Write to standard output as well. */
  console = true;

  write(line: string): void {
    if (this.#last.push(line) > KEPT_LINES) this.#last.shift();
    for (const reader of this.#readers) if (reader.writableLength < MAX_BEHIND) reader.write(line);
    if (this.console) writeConsole(line);
  }

  /** A reader gets what is kept, then each line as it comes, until it hangs up. */
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
