import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { Writable } from "node:stream";
import type { OutputName, Position } from "../../client/streams/position.ts";
import { olderOutput, positionFile } from "../record/process-records.ts";

/** Longer than any position, so that a shorter one replaces a longer one. */
const LENGTH = 96;
/** Bytes after which the file is renamed to FILE.1, in place of an earlier one: a container may print without end. */
const MAX_BYTES = 32 << 20;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/**
 * The file with a detached container's output, and the record of how much of it is there, so that another supervisor can continue
 * if this one is killed. The agent keeps output until it is acknowledged, which happens after `note`.
 */
export class OutputFile implements Disposable {
  /** Where the output continues. */
  readonly from: Position;
  /** Writes to the file. */
  readonly stdio: { readonly stdout: Writable; readonly stderr: Writable };
  readonly #path: string;
  readonly #maxBytes: number;
  #output: number;
  readonly #file: number;
  readonly #at: { stdout: number; stderr: number };

  /** Prepares the output of a container that is about to start: it is added to what an earlier run has left. */
  static begin(path: string): void {
    rmSync(positionFile(path), { force: true });
  }

  /** Continues the output, after removing what was written after the last position. */
  constructor(path: string, maxBytes = MAX_BYTES) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#output = openOutput(path);
    this.#file = openSync(positionFile(path), O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    const text = readFileSync(this.#file, "utf8");
    const now = fstatSync(this.#output).size;
    const known = text === "" ? undefined : (JSON.parse(text) as Position & { readonly size: number });
    const { size, ...from } = known ?? { stdout: 0, stderr: 0, size: now };
    if (size < now) ftruncateSync(this.#output, size);
    this.from = from;
    this.#at = { ...from };
    this.stdio = { stdout: this.#writable(), stderr: this.#writable() };
    this.#write();
  }

  /** Notes that the output up to a byte is in the file. */
  note(name: OutputName, end: number): void {
    this.#at[name] = end;
    this.#write();
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    closeSync(this.#output);
  }

  #writable(): Writable {
    return new Writable({
      write: (bytes: Buffer, _encoding, done) => {
        try {
          for (let at = 0; at < bytes.length; ) at += writeSync(this.#output, bytes, at);
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    });
  }

  #write(): void {
    const { size } = fstatSync(this.#output);
    this.#record(size);
    if (size < this.#maxBytes) return;
    // A process that is killed in between leaves a position beyond the end of an empty file, which removes nothing.
    renameSync(this.#path, olderOutput(this.#path));
    closeSync(this.#output);
    this.#output = openOutput(this.#path);
    this.#record(0);
  }

  #record(size: number): void {
    writeSync(this.#file, `${JSON.stringify({ ...this.#at, size }).padEnd(LENGTH)}\n`, 0);
  }
}

function openOutput(path: string): number {
  return openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
}
