import { constants } from "node:os";
import type { Attachment } from "../../../client/streams/attachment.ts";
import { OPENED } from "../../../engine/container/files/file-scripts.ts";
import { TOOL_ENV } from "../../../engine/container/files/file-tools.ts";
import { ToolError, toolError } from "../../../engine/container/files/tool-error.ts";
import { type SshTarget, startProcess } from "../ssh-target.ts";

/** Bytes that a stream reads ahead. */
const READ_AHEAD_BYTES = 256 << 10;
const MAX_ERROR_BYTES = 4096;

/** cat of an open file at an offset. On stderr it reports that the file is open, then its failure. */
export class FileStream {
  readonly attachment: Attachment;
  /** Resolves once the file is open. Rejects with ToolError. */
  readonly opened: Promise<void>;
  /** Resolves once all of it is done: read to the end, or written. Rejects with ToolError. */
  readonly done: Promise<void>;
  offset: number;
  #errors = "";
  #chunks: Buffer[] = [];
  #buffered = 0;
  #isDone = false;
  #isDropped = false;
  #changed = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();

  constructor(target: SshTarget, script: string, args: readonly string[], offset: number) {
    this.offset = offset;
    const words = ["sh", "-c", script, "sh", String(offset), ...args];
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    this.attachment = startProcess(target, target.process(words, { env: TOOL_ENV }), async (name, bytes) => {
      if (name === "stdout") return this.#take(bytes);
      this.#errors = (this.#errors + Buffer.from(bytes)).slice(-MAX_ERROR_BYTES);
      if (!this.#errors.startsWith(OPENED)) return;
      this.#errors = this.#errors.slice(OPENED.length);
      opened.resolve();
    });
    this.done = this.attachment.exit.then(
      ({ code }) => {
        if (code !== 0) throw toolError(this.#errors, code);
      },
      (error: Error) => {
        throw new ToolError(error.message);
      },
    );
    this.done.then(opened.resolve, opened.reject).finally(() => {
      this.#isDone = true;
      this.#notify();
    });
    this.opened.catch(() => undefined);
  }

  /** Returns the next bytes, `length` unless the file ends before; undefined at its end. */
  async read(length: number): Promise<Buffer | undefined> {
    while (this.#buffered < length && !this.#isDone) await this.#changed.promise;
    if (this.#buffered < length) await this.done;
    const taken = this.#shift(length);
    this.offset += taken.length;
    this.#taken.resolve();
    this.#taken = Promise.withResolvers();
    return taken.length === 0 ? undefined : taken;
  }

  /** True if every byte was read. */
  get isAtEnd(): boolean {
    return this.#isDone && this.#buffered === 0;
  }

  /** Ends a stream whose remaining bytes nobody wants. */
  drop(): void {
    this.#isDropped = true;
    this.#taken.resolve();
    this.attachment.signal(constants.signals.SIGKILL);
    this.attachment.end();
    this.done.catch(() => undefined);
  }

  #shift(length: number): Buffer {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) break;
      if (chunk.length > left) this.#chunks.unshift(chunk.subarray(left));
      pieces.push(chunk.subarray(0, left));
      left -= Math.min(chunk.length, left);
    }
    const taken = Buffer.concat(pieces);
    this.#buffered -= taken.length;
    return taken;
  }

  async #take(bytes: Uint8Array): Promise<void> {
    if (this.#isDropped) return;
    this.#chunks.push(Buffer.from(bytes));
    this.#buffered += bytes.length;
    this.#notify();
    while (this.#buffered > READ_AHEAD_BYTES && !this.#isDropped) await this.#taken.promise;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
