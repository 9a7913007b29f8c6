import { READ_SCRIPT, WRITE_SCRIPT } from "../../../engine/container/files/file-scripts.ts";
import { ToolError } from "../../../engine/container/files/tool-error.ts";
import type { SshTarget } from "../ssh-target.ts";
import { FileStream } from "./file-stream.ts";

/** Bytes that may wait to be written. */
const MAX_WAITING_BYTES = 256 << 10;

/** Bits of SSH_FXP_OPEN. */
const FLAGS = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 };

/**
 * A file that an SFTP client has opened. Reads and writes in order go through one cat; any other offset starts another, which
 * opens the path again.
 */
export class OpenFile {
  readonly path: string;
  readonly #target: SshTarget;
  readonly #canWrite: boolean;
  readonly #isAppended: boolean;
  #reading: FileStream | undefined;
  #writing: FileStream | undefined;
  /** Written, and not yet at its end. */
  #flushing: FileStream | undefined;
  #isAbandoned = false;
  #waiting = 0;
  /** Requests take effect in their order. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(target: SshTarget, path: string, flags: number) {
    this.#target = target;
    this.path = path;
    this.#canWrite = (flags & FLAGS.write) !== 0;
    this.#isAppended = (flags & FLAGS.append) !== 0;
  }

  /** Opens a file with the flags of SSH_FXP_OPEN; a new one gets the mode. Throws ToolError. */
  static async open(target: SshTarget, path: string, flags: number, mode: string): Promise<OpenFile> {
    const file = new OpenFile(target, path, flags);
    const how =
      (flags & FLAGS.exclusive && "exclusive") ||
      (flags & FLAGS.truncate && "truncate") ||
      (flags & FLAGS.append && "append") ||
      "keep";
    const stream = file.#canWrite
      ? new FileStream(target, WRITE_SCRIPT, [path, how, flags & FLAGS.create ? mode : ""], 0)
      : new FileStream(target, READ_SCRIPT, [path], 0);
    if (file.#canWrite) file.#writing = stream;
    else {
      file.#reading = stream;
      stream.attachment.end();
    }
    await stream.opened;
    return file;
  }

  /** Returns the bytes at an offset; undefined at the end of the file. */
  read(offset: number, length: number): Promise<Buffer | undefined> {
    return this.#inOrder(async () => {
      await this.#flush();
      if (this.#reading?.isAtEnd && offset >= this.#reading.offset) return undefined;
      if (this.#reading?.offset !== offset) {
        this.#reading?.drop();
        this.#reading = new FileStream(this.#target, READ_SCRIPT, [this.path], offset);
        this.#reading.attachment.end();
      }
      return await this.#reading.read(length);
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (!this.#canWrite) throw new ToolError(`${this.path}: not open for writing`, "permission-denied");
    const { stream, written } = await this.#inOrder(async () => {
      if (this.#writing !== undefined && this.#writing.offset !== offset && !this.#isAppended) await this.#flush();
      this.#writing ??= new FileStream(
        this.#target,
        WRITE_SCRIPT,
        [this.path, this.#isAppended ? "append" : "keep", ""],
        offset,
      );
      const stream = this.#writing;
      stream.offset += bytes.length;
      this.#waiting += bytes.length;
      const written = stream.attachment.write(bytes).finally(() => (this.#waiting -= bytes.length));
      written.catch(() => undefined);
      if (this.#waiting > MAX_WAITING_BYTES) await written.catch(() => undefined);
      return { stream, written };
    });
    // If cat has ended, it has said why.
    await written.catch(async (error: Error) => {
      await stream.done;
      throw new ToolError(`${this.path}: ${error.message}`);
    });
  }

  /** Resolves once everything that was written is in the file. Throws ToolError. */
  flush(): Promise<void> {
    return this.#inOrder(() => this.#flush());
  }

  async close(): Promise<void> {
    this.#reading?.drop();
    await this.flush();
  }

  /** Detaches from its programs: everything that waits for them fails. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const stream of [this.#reading, this.#writing, this.#flushing]) stream?.attachment.close();
  }

  async #flush(): Promise<void> {
    const stream = this.#writing;
    this.#flushing = stream;
    this.#writing = undefined;
    stream?.attachment.end();
    await stream?.done;
  }

  #inOrder<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#isAbandoned) throw new ToolError(`${this.path}: the agent doesn't answer`);
      return step();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}
