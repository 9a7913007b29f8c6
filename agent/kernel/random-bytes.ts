import { closeSync, constants, openSync, readSync } from "node:fs";

/**
 * Reads the kernel's generator. Not node:crypto: its generator's state is memory, which is the same in all clones of a guest until
 * their agents are restarted, and its modules would cost the start some ms.
 */
export function randomBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const fd = openSync("/dev/urandom", constants.O_RDONLY);
  try {
    readSync(fd, bytes, 0, count, null);
  } finally {
    closeSync(fd);
  }
  return bytes;
}
