import { AgentError } from "../../../agent/kernel/error.ts";
import { toStatus } from "../../../agent/service/status.ts";

/** A parser of untrusted bytes, and its promise for every input. */
export interface FuzzTarget {
  /** Name of the folder of its corpus. */
  readonly name: string;
  /** The property that holds for every input, in one sentence. */
  readonly promise: string;
  /** Valid inputs to start from. */
  seeds(): readonly (Uint8Array | string)[];
  /** Runs the parser. Throws if it breaks the promise. */
  run(input: Buffer): void | Promise<void>;
  /** Maximum length of an input, in bytes. */
  readonly maxLength?: number;
  /** Words that are likely in inputs, besides those that the code compares with. */
  readonly words?: readonly string[];
}

/**
 * Accepts one-line errors of the parser's own kinds, and rethrows any other as a finding. For an AgentError, the line
 * is its status message.
 */
export function refuses(error: unknown, ...kinds: readonly (abstract new (...args: never[]) => Error)[]): void {
  if (!kinds.some((kind) => error instanceof kind)) throw error;
  const message = error instanceof AgentError ? toStatus(error).message : (error as Error).message;
  if (/[\n\r\0]/.test(message))
    throw new Error(`an error of more than one line: ${JSON.stringify(message.slice(0, 300))}`);
  if (message.length > 4096) throw new Error(`an error of ${message.length} characters: ${message.slice(0, 100)}`);
}

/** Throws if the promise does not hold. */
export function promise(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`promise broken: ${what}`);
}
