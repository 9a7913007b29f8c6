import { existsSync } from "node:fs";
import { afterAll, beforeAll } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import type { Machine } from "../scenarios/machine.ts";
import { differentialSuite } from "./differential-suite.ts";

const missing = existsSync("/usr/bin/crun") ? undefined : "crun is not installed";

describeInNamespaces(
  "guestd's containers compared with crun's",
  () => {
    let machine: Machine;
    beforeAll(async () => {
      machine = await startHostAgent();
    });
    afterAll(() => machine?.[Symbol.asyncDispose]());
    // The nightly run has 300 other ones every day.
    differentialSuite(() => machine, { count: 15, seed: 1, limits: false });
  },
  missing,
);
