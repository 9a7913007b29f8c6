import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import type { Machine } from "../scenarios/machine.ts";
import { otherRuntimeScenarios } from "../scenarios/other-runtime.ts";
import { startHostAgent } from "./host-agent.ts";

const whyNot = (runtime: string) =>
  ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${runtime}`))
    ? whyNoNamespaces()
    : `${runtime} is not installed`;

for (const runtime of ["crun", "runc"]) {
  const reason = whyNot(runtime);
  const title = `containers made by ${runtime}${reason === undefined ? "" : ` (skipped: ${reason})`}`;
  describe(title, { skip: reason !== undefined }, () => {
    let machine: Machine;
    beforeAll(async () => {
      machine = await startHostAgent();
    });
    afterAll(() => machine?.[Symbol.asyncDispose]());
    otherRuntimeScenarios(() => machine, runtime, false);
  });
}
