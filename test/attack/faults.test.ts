import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { steps } from "./faults/conversation.ts";
import { type FaultyMachine, startFaultyMachine } from "./faults/faulty-machine.ts";
import { countStartCalls, restartWithFaults } from "./faults/restarts.ts";
import { sweep } from "./faults/sweep.ts";

/**
 * Steps that wait for connections that never come: sweeping their calls takes minutes, so only the nightly run does it.
 */
const SLOW = /passed|forwarded/;
/** In the nightly run all calls fail, one after the other. Here every second does, and of the longest step every sixth. */
const LONGEST = "an exec through an attachment";
const FOREVER = 0xffff_fffe;
const hasIp = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip"].some((path) => existsSync(path));

describeInNamespaces("an agent whose system calls fail", () => {
  let faulty: FaultyMachine;
  beforeAll(async () => {
    faulty = await startFaultyMachine();
  });
  afterAll(async () => {
    await faulty?.[Symbol.asyncDispose]();
  });

  it.each(steps.filter(({ name }) => !SLOW.test(name)))(
    "at each call of $name in turn ends only the call that was hit",
    async (step) => {
      const { hit, problems } = await sweep(faulty, step, { variants: 1, every: step.name === LONGEST ? 6 : 2 });
      expect(problems).toEqual([]);
      expect(hit.size).toBeGreaterThan(3);
    },
  );

  it("closes a connection that it can't watch, and keeps serving the existing ones", async () => {
    const { machine, control, pod, standing } = faulty;
    const before = await faulty.traces();
    // As if a container had used up fs.epoll.max_user_watches: every new watch is refused.
    control.arm({ first: 1, last: FOREVER, variant: 0, only: "epoll_ctl" });
    for (const protocol of ["ttrpc", "grpc"] as const) {
      for (let round = 0; round < 20; round++) {
        await using late = await machine.connect({ protocol });
        await expect(late.health.check({})).rejects.toMatchObject({ kind: "unavailable" });
      }
    }
    expect((await pod.client.health.check({})).status).toBe(1);
    await pod.client.agent.statsContainer({ container_id: standing });
    const refused = pod.execute(standing, ["true"]);
    await expect(refused).rejects.toThrow(/^poll for \w+ fd \d+: ENOSPC[^\n]*$/);
    // Watches of libuv itself: for a program's output, where a failure would make it abort.
    if (hasIp)
      await expect(pod.client.agent.listInterfaces({})).rejects.toThrow(/^\S+: the kernel refused to watch[^\n]*$/);
    expect(control.disarm().hits).toBeGreaterThan(40);
    await using fresh = await machine.connect();
    expect((await fresh.health.check({})).status).toBe(1);
    expect((await pod.execute(standing, ["true"])).status).toBe(0);
    await fresh.close();
    expect((await faulty.traces()).agent).toBe(before.agent);
    expect(machine.console()).toMatch(/connection closed after an error of the agent/);
  });

  it("loads a device filter although signals interrupt the kernel's verifier", async () => {
    const { control, pod } = faulty;
    const EAGAIN = 3;
    control.arm({ first: 1, last: 20, variant: EAGAIN, only: "bpf" });
    const { Linux } = ociSpec("/", []);
    const Devices = [{ Allow: true, Type: "c", Major: 10, Minor: 229, Access: "r" }];
    const { status } = await pod.run(["true"], { Linux: { ...Linux, Resources: { Devices } } });
    expect(status).toBe(0);
    expect(control.disarm().hits).toBe(20);
  });

  it("starts again after a failed start, and takes over its state", async () => {
    const count = await countStartCalls(faulty);
    await restartWithFaults(faulty, [Math.round(count / 2), count - 2], 0);
  }, 90_000);
});
