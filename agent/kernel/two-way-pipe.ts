import { closeSync, constants, openSync } from "node:fs";
import type { Fd, Sys } from "./kernel.ts";

/** Opens a pipe whose one descriptor serves both ends. A size of 0 is the kernel's 64 KiB. */
export function openTwoWayPipe(sys: Pick<Sys, "pipe">, sizeBytes = 0): Fd {
  const { read, write } = sys.pipe({ sizeBytes });
  try {
    return openSync(`/proc/self/fd/${read}`, constants.O_RDWR | constants.O_NONBLOCK);
  } finally {
    closeSync(read);
    closeSync(write);
  }
}
