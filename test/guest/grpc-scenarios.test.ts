import { afterAll, beforeAll, describe } from "vitest";
import { scenariosOver } from "../scenarios/all.ts";
import { startGuestMachine } from "./guest-machine.ts";

/** A guest of its own, so that it runs beside that of ttRPC, and on the same port as there. */
describe("the agent in a real guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  scenariosOver("grpc", () => machine, { limits: true });
});
