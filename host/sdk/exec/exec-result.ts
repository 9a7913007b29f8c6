import type { OutputName } from "../../client/streams/position.ts";
import type { ProcessStatus } from "../../engine/process.ts";
import { visibleLine } from "../../visible.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";

/** How an exec has ended, with the output that was collected. A non-zero exit code is a value like any other. */
export class ExecResult {
  /** 0 to 255; 128 + signal if a signal killed it. */
  readonly exitCode: number;
  /** Number of the signal that killed it, or 0. */
  readonly signal: number;
  /** Outputs that a loop or a stream has taken: they are not in this result. */
  readonly taken: readonly OutputName[];
  readonly #what: string;
  readonly #bytes: Readonly<Record<OutputName, Buffer>>;

  /** @internal */
  constructor(
    what: string,
    { exitCode, signal }: ProcessStatus,
    bytes: Readonly<Record<OutputName, Buffer>>,
    taken: readonly OutputName[],
  ) {
    this.#what = what;
    this.#bytes = bytes;
    this.exitCode = exitCode;
    this.signal = signal;
    this.taken = taken;
  }

  /** Text of stdout; bytes that aren't UTF-8 are U+FFFD. Empty if it was `taken`. */
  get stdout(): string {
    return this.#bytes.stdout.toString("utf8");
  }

  /** Text of stderr, in the same way. */
  get stderr(): string {
    return this.#bytes.stderr.toString("utf8");
  }

  /** Exactly the bytes. */
  get stdoutBytes(): Uint8Array {
    return this.#bytes.stdout;
  }

  /** Exactly the bytes of stderr. */
  get stderrBytes(): Uint8Array {
    return this.#bytes.stderr;
  }

  /** Returns this result, or throws SandboxError `exit` if the exit code isn't 0. */
  orThrow(): this {
    if (this.exitCode === 0) return this;
    const last = visibleLine(this.stderr.trim().split("\n").at(-1) ?? "").slice(0, 200);
    const how = this.signal === 0 ? `exit code ${this.exitCode}` : `killed by signal ${this.signal}`;
    throw sandboxError("exit", `${this.#what}: ${how}${last === "" ? "" : `: ${last}`}`, this);
  }

  /** For JSON. */
  toJSON(): object {
    const { exitCode, signal, taken, stdout, stderr } = this;
    return { exitCode, signal, stdout, stderr, ...(taken.length === 0 ? {} : { taken }) };
  }
}
