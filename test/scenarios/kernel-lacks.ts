import type { TestContext } from "vitest";
import type { Machine } from "./machine.ts";

/** Skips a test whose kernel lacks something, with the reason. The kernel of our own guests lacks none of it: there it fails. */
export function kernelLacks(context: TestContext, machine: Machine, why: string): never {
  if (machine.real && process.env["GUESTD_KATA_KERNEL"] === undefined) throw new Error(`in a guest of ours ${why}`);
  return context.skip(why);
}
