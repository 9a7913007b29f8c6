import type { TestContext } from "vitest";
import type { Machine } from "./machine.ts";

/**
 * Skips a test that needs something its kernel lacks, and gives the reason. Throws in a guest with our own kernel,
 * which lacks none of it.
 */
export function kernelLacks(context: TestContext, machine: Machine, why: string): never {
  if (machine.real && process.env["GUESTD_KATA_KERNEL"] === undefined) throw new Error(`in a guest of ours ${why}`);
  return context.skip(why);
}
