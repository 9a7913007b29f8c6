import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import type { OutputName, Position } from "../../client/streams/attachment.ts";
import { positionFile } from "../../state/process-records.ts";

/** Longer than any position, so that a shorter one replaces a longer one. */
const LENGTH = 96;

/**
 * How far the output of a detached container is in its file: another guestctl continues there if this one is killed between
 * two writes. The agent keeps what it has not been told to be there.
 */
export class OutputPosition implements Disposable {
  /** Where the output continues. */
  readonly from: Position;
  readonly #file: number;
  readonly #at: { stdout: number; stderr: number };

  /** Begins anew at the present end of the file, which is open as `descriptor`. */
  static begin(output: string, descriptor: number): OutputPosition {
    return new OutputPosition(output, descriptor, { stdout: 0, stderr: 0 });
  }

  /** Continues after a guestctl that was killed: removes what it had written after its last position. */
  static find(output: string, descriptor: number): OutputPosition {
    if (!existsSync(positionFile(output))) return OutputPosition.begin(output, descriptor);
    const { size, ...position } = JSON.parse(readFileSync(positionFile(output), "utf8")) as Position & { size: number };
    ftruncateSync(descriptor, Math.min(size, fstatSync(descriptor).size));
    return new OutputPosition(output, descriptor, position);
  }

  readonly #descriptor: number;

  private constructor(output: string, descriptor: number, from: Position) {
    this.#descriptor = descriptor;
    this.from = from;
    this.#at = { ...from };
    this.#file = openSync(positionFile(output), "w", 0o600);
    this.#write();
  }

  /** Notes that the output up to a byte is in the file. */
  note(name: OutputName, end: number): void {
    this.#at[name] = end;
    this.#write();
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #write(): void {
    const { size } = fstatSync(this.#descriptor);
    writeSync(this.#file, `${JSON.stringify({ ...this.#at, size }).padEnd(LENGTH)}\n`, 0);
  }
}
