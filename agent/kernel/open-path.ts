import { openSync } from "node:fs";
import { SystemError } from "./error.ts";
import type { Fd } from "./kernel.ts";

/** Opens a path of the guest. Throws SystemError. The caller closes the descriptor. */
export function openPath(path: string, flags: number): Fd {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : new SystemError("open", -errno, path);
  }
}
