import { afterAll, beforeAll, describe } from "vitest";
import { allScenarios } from "../scenarios/all.ts";
import type { Machine } from "../scenarios/machine.ts";
import { startGuestMachine } from "./guest-machine.ts";

describe("the agent in a real guest", () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  allScenarios(() => machine, { limits: true, slow: true });
});
