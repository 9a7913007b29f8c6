import { describe } from "vitest";
import { whyNoNamespaces } from "./harness.ts";

/**
 * Describes tests that need namespaces. Skips them, with the reason in their name, if namespaces or `missing` are
 * missing.
 */
export function describeInNamespaces(name: string, tests: () => void, missing?: string): void {
  const reason = whyNoNamespaces() ?? missing;
  describe(reason === undefined ? name : `${name} (skipped: ${reason})`, { skip: reason !== undefined }, tests);
}
