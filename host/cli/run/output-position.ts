import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import type { OutputName, Position } from "../../client/streams/position.ts";
import { positionFile } from "../../state/process-records.ts";

/** Longer than any position, so that a shorter one replaces a longer one. */
const LENGTH = 96;
const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/**
 * Records how much of a detached container's output is in its file, so that another guestctl can continue there if this one
 * is killed. The agent keeps output until it is acknowledged, which happens after `note`.
 */
export class OutputPosition implements Disposable {
  /** Where the output continues. */
  readonly from: Position;
  readonly #output: number;
  readonly #file: number;
  readonly #at: { stdout: number; stderr: number };

  /** Begins a container's output at the end of the file `path`, which is open as `output`. */
  static begin(path: string, output: number): OutputPosition {
    rmSync(positionFile(path), { force: true });
    return OutputPosition.find(path, output);
  }

  /** Continues after a guestctl that was killed: removes what that had written after its last position. */
  static find(path: string, output: number): OutputPosition {
    return new OutputPosition(openSync(positionFile(path), O_RDWR | O_CREAT | O_NOFOLLOW, 0o600), output);
  }

  private constructor(file: number, output: number) {
    this.#file = file;
    this.#output = output;
    const text = readFileSync(file, "utf8");
    const now = fstatSync(output).size;
    const known = text === "" ? undefined : (JSON.parse(text) as Position & { readonly size: number });
    const { size, ...from } = known ?? { stdout: 0, stderr: 0, size: now };
    if (size < now) ftruncateSync(output, size);
    this.from = from;
    this.#at = { ...from };
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
    const { size } = fstatSync(this.#output);
    writeSync(this.#file, `${JSON.stringify({ ...this.#at, size }).padEnd(LENGTH)}\n`, 0);
  }
}
