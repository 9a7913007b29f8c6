import { afterAll, beforeAll, describe } from "vitest";
import { callScenariosOver } from "../scenarios/all.ts";
import { startGuestMachine } from "./guest-machine.ts";

/** A guest of its own, so that it runs beside that of ttRPC, and on the same port as there. The rest: `test/nightly`. */
describe("the agent in a real guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  callScenariosOver("grpc", () => machine, { limits: true });
});
