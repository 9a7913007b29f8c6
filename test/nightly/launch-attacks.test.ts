import { afterAll, beforeAll, describe } from "vitest";
import { tracedBirth } from "../attack/testing/traced-birth.ts";
import { tracedCreation } from "../attack/testing/traced-creation.ts";
import { innerCgroup } from "../scenarios/inner-cgroup.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

/** Runs the tracing attacks in a guest; `npm test` runs them in namespaces. */
describe("in a guest", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { runtimes: ["crun", "runc"] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  describe("the child of an exec that a container traces", () => tracedBirth(() => machine));
  describe("a container that another one in its pid namespace traces", () =>
    tracedCreation(() => machine, ["crun", "runc"]));

  // `npm test` has it for containers of the built-in launcher.
  describe.each(["crun", "runc"])("with containers created by %s", (runtime) => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine, await machine.connect(), { "guestd.runtime": runtime });
    });
    afterAll(() => pod?.client.close());
    innerCgroup(() => pod);
  });
});
