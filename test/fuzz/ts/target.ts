import { AgentError } from "../../../agent/kernel/error.ts";
import { toStatus } from "../../../agent/service/status.ts";

/** A parser of untrusted bytes, and what it promises of any bytes at all. */
export interface FuzzTarget {
  /** Name of the folder of its corpus. */
  readonly name: string;
  /** The property that holds for every input, in one sentence. */
  readonly promise: string;
  /** Good inputs to begin with. */
  seeds(): readonly (Uint8Array | string)[];
  /** Throws when the promise is broken. */
  run(input: Buffer): void | Promise<void>;
  /** Longest input, bytes. */
  readonly maxLength?: number;
  /** Words that inputs are likely to have, beyond those that the code compares with. */
  readonly words?: readonly string[];
}

/** Accepts a parser's own one-line errors and rethrows anything else as a finding. For an AgentError, the line is its status's. */
export function refuses(error: unknown, ...kinds: readonly (abstract new (...args: never[]) => Error)[]): void {
  if (!kinds.some((kind) => error instanceof kind)) throw error;
  const message = error instanceof AgentError ? toStatus(error).message : (error as Error).message;
  if (/[\n\r\0]/.test(message))
    throw new Error(`an error of more than one line: ${JSON.stringify(message.slice(0, 300))}`);
  if (message.length > 4096) throw new Error(`an error of ${message.length} characters: ${message.slice(0, 100)}`);
}

/** Throws if it isn't so. */
export function promise(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`promise broken: ${what}`);
}
