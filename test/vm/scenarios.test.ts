import { afterAll, beforeAll, describe } from "vitest";
import { hostDataOver, scenariosOver } from "../scenarios/all.ts";
import { openPollScenario } from "../scenarios/open-poll.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "./testing/guest-machine.ts";

describe("the agent in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  // What the machine doesn't decide runs in test/namespaces, and in test/nightly in a guest.
  scenariosOver("ttrpc", () => machine, { limits: true, parts: ["machine"] });
  hostDataOver("grpc", () => machine);

  describe("that dies", () => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine);
    });
    afterAll(() => pod?.client.close());
    openPollScenario(() => pod);
  });
});
