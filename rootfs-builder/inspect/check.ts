import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";

/** Largest file that `readFile` returns at once, and so the most that inspect reads, in bytes. */
export const MAX_BYTES = 2 ** 31 - 1;

/** Result of one check of an image. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** The value found; for a failed check, also the expected value. */
  readonly detail: string;
}

export function check(name: string, ok: boolean, found: string, wanted: string): Check {
  return { name, ok, detail: ok ? found : `${found}; wanted: ${wanted}` };
}

/** Returns the result of `read`. Turns a failure to parse an image's bytes into one line that names the part. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError(`${what}: incomplete or damaged: ${reason(error)}`);
  }
}

/** Runs checks; returns a single failed check if they throw. */
export async function attempt(name: string, checks: () => Promise<readonly Check[]>): Promise<readonly Check[]> {
  try {
    return await checks();
  } catch (error) {
    return [{ name, ok: false, detail: reason(error) }];
  }
}

/** Escapes a name from an image: one line, no terminal control sequences. */
export function shown(name: string): string {
  return JSON.stringify(name)
    .slice(1, -1)
    .replaceAll(/[\u007f-\u009f]/g, "?");
}
