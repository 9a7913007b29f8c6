import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { whyNoNamespaces } from "./harness.ts";

const native = join(import.meta.dirname, "../../../build/native");

/**
 * Describes tests for init and for init under ASan and UBSan. Skips them, with the reason in their name, if they can't
 * run.
 */
export function describeInit(name: string, tests: (init: string) => void): void {
  const why = whyNoNamespaces();
  for (const variant of ["init", "init-asan"]) {
    const init = join(native, variant);
    if (why === undefined && !existsSync(init)) throw new Error(`${init} is missing: run "npm run build" first`);
    if (why === undefined) describe(`${name} (${variant})`, () => tests(init));
    else describe.skip(`${name} (${variant}): skipped, ${why}`, () => tests(init));
  }
}
