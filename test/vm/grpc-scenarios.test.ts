import { afterAll, beforeAll, describe } from "vitest";
import { containerScenariosOver } from "../scenarios/all.ts";
import { startGuestMachine } from "./testing/guest-machine.ts";

/** Uses its own guest to run beside the one of ttRPC, on the same port. All scenarios over gRPC run in test/nightly. */
describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  containerScenariosOver("grpc", () => machine);
});
