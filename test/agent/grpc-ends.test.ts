import { afterAll, beforeAll, describe } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { lastScenarios } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

/** An agent of its own: one that was killed often is started again after a while only. The rest: scenarios.test.ts. */
describe(`the agent in namespaces${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  lastScenarios("grpc", () => machine, { limits: false });
});
