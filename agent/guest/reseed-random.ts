import { closeSync, constants, openSync } from "node:fs";
import { AgentError } from "../kernel/error.ts";
import type { Sys } from "../kernel/kernel.ts";

/**
 * Mixes `data` into the kernel's entropy pool, credits all its bits and reseeds the generator, so that guests started
 * from one template differ.
 */
export function reseedRandom(
  sys: Pick<Sys, "write" | "creditEntropy" | "reseedRandom">,
  data: Uint8Array,
  device = "/dev/random",
): void {
  if (data.length === 0) throw new AgentError("invalid-argument", "reseed random: no data");
  const fd = openSync(device, constants.O_WRONLY);
  try {
    for (let done = 0; done < data.length; ) done += Math.max(0, sys.write(fd, data.subarray(done)));
    sys.creditEntropy(fd, data.length * 8);
    sys.reseedRandom(fd);
  } finally {
    closeSync(fd);
  }
}
