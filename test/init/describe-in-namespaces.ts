import { describe } from "vitest";
import { whyNoNamespaces } from "./harness.ts";

/** Tests that need namespaces, and nothing that is `missing`. Where they cannot run, the reason is in their name. */
export function describeInNamespaces(name: string, tests: () => void, missing?: string): void {
  const reason = whyNoNamespaces() ?? missing;
  describe(reason === undefined ? name : `${name} (skipped: ${reason})`, { skip: reason !== undefined }, tests);
}
