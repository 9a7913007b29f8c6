import { afterAll, beforeAll, describe } from "vitest";
import { containerScenariosOver } from "../scenarios/all.ts";
import { startGuestMachine } from "./guest-machine.ts";

/** A guest of its own, so that it runs beside that of ttRPC, and on the same port as there. All of them: `test/nightly`. */
describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  containerScenariosOver("grpc", () => machine);
});
