import { reason } from "../../lib/reason.ts";
import { BuildError } from "../build-error.ts";

/** Largest file that `readFile` returns at once, and so the most that inspect reads, in bytes. */
export const MAX_BYTES = 2 ** 31 - 1;

/** One thing that was looked at in an image. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found; of a failed check what is wrong, what is expected. */
  readonly detail: string;
}

export function check(name: string, ok: boolean, found: string, wanted: string): Check {
  return { name, ok, detail: ok ? found : `${found}; wanted: ${wanted}` };
}

/** What `read` gives. Bytes of an image that make no sense become one line that names what could not be read. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError(`${what}: it is not whole: ${reason(error)}`);
  }
}

/** Checks of something that could not be read are one that failed. */
export async function attempt(name: string, checks: () => Promise<readonly Check[]>): Promise<readonly Check[]> {
  try {
    return await checks();
  } catch (error) {
    return [{ name, ok: false, detail: reason(error) }];
  }
}

/** A name out of an image on one line, without what a terminal would obey. */
export function shown(name: string): string {
  return JSON.stringify(name)
    .slice(1, -1)
    .replaceAll(/[\u007f-\u009f]/g, "?");
}
