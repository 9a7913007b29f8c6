import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { startHostAgent } from "../agent/host-agent.ts";
import { whyNoNamespaces } from "../init/harness.ts";
import type { Machine } from "../scenarios/machine.ts";
import { differentialSuite } from "./differential-suite.ts";

const reason = existsSync("/usr/bin/crun") ? whyNoNamespaces() : "crun is not installed";

describe(`what a container of guestd sees, and one of crun${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  differentialSuite(() => machine, { count: 40, seed: 1, limits: false });
});
