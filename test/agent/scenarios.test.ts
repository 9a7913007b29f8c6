import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { allScenarios } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe(`the agent in namespaces${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  allScenarios(() => machine, { limits: false, slow: false });
});
