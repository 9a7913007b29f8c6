import { afterAll, beforeAll, describe } from "vitest";
import { lastScenarios, scenariosOver } from "../scenarios/all.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

/** Runs all scenarios; `npm test` runs those of containers in a guest, and all of them in namespaces. */
describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("grpc", () => machine, { limits: true });
  lastScenarios("grpc", () => machine, { limits: true });
});
