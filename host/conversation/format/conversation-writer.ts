import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { type Entry, FORMAT, type Header, MAX_LINE_BYTES, type Protocol, type Raw, VERSION } from "./conversation.ts";

/** An entry without its time, which the writer adds. */
export type NewEntry = { [Kind in Entry["kind"]]: Omit<Extract<Entry, { kind: Kind }>, "ms"> }[Entry["kind"]];

/** Writes a recording. If the file fails, calls `onError` once and drops all further entries. */
export class ConversationWriter {
  readonly #file: WriteStream;
  readonly #started = performance.now();
  readonly #date = new Date();
  readonly #redacted: boolean;
  #hasHeader = false;
  #failed = false;

  private constructor(file: WriteStream, redacted: boolean, onError: (error: Error) => void) {
    this.#file = file;
    this.#redacted = redacted;
    file.on("error", (error) => {
      if (!this.#failed) onError(error);
      this.#failed = true;
    });
  }

  /** Creates the file, readable for its owner only. Rejects if it exists. */
  static async create(path: string, redacted: boolean, onError: (error: Error) => void): Promise<ConversationWriter> {
    const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
    await once(file, "open");
    return new ConversationWriter(file, redacted, onError);
  }

  /** Writes the header, unless it is written. */
  begin(protocol: Protocol): void {
    if (this.#hasHeader) return;
    this.#hasHeader = true;
    const started = this.#date.toISOString();
    const header: Header = {
      format: FORMAT,
      version: VERSION,
      protocol,
      started,
      ...(this.#redacted ? { redacted: true } : {}),
    };
    this.#file.write(`${JSON.stringify(header)}\n`);
  }

  /** Writes an entry; writes `instead` if its line would be too long. */
  write(entry: NewEntry, instead?: () => Omit<Raw, "ms">): void {
    if (this.#failed) return;
    const ms = Math.round((performance.now() - this.#started) * 10) / 10;
    const line = JSON.stringify({ ms, ...entry });
    if (instead !== undefined && Buffer.byteLength(line) >= MAX_LINE_BYTES) this.write(instead());
    else this.#file.write(`${line}\n`);
  }

  /** Resolves when the file has room for more, or has failed. */
  async ready(): Promise<void> {
    if (this.#failed || !this.#file.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#file.off("drain", done).off("error", done).off("close", done);
        resolve();
      };
      this.#file.on("drain", done).on("error", done).on("close", done);
    });
  }

  /** Writes the rest and closes the file. Never rejects. */
  async close(): Promise<void> {
    if (this.#failed) return;
    this.begin("ttrpc");
    await new Promise<void>((resolve) => {
      this.#file.once("close", resolve);
      this.#file.end();
    });
  }
}
