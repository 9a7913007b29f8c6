import { beforeAll, expect, it } from "vitest";
import type { Machine } from "../../scenarios/machine.ts";
import { Pod } from "../../scenarios/pod.ts";
import { buildAttacker, startWith, whileInjecting } from "./attacker.ts";

const SIGKILL = 9;
const SIGSTOP = 19;
const KILL = process.arch === "arm64" ? 129 : 62;
const EXECS = 30;

/**
 * Registers attacks in which a container with CAP_SYS_PTRACE makes the copy of init that becomes an exec signal every
 * process it can reach.
 */
export function tracedBirth(machine: () => Machine): void {
  let pod: Pod;
  beforeAll(async () => {
    pod = await Pod.open(machine());
    const rootfs = machine().rootfs("births");
    buildAttacker("inject", machine().hostPath(rootfs));
    await startWith(pod, "attacker", { rootfs, more: ["CAP_SYS_PTRACE"] });
    await startWith(pod, "neighbour", { rootfs });
    return async () => {
      await pod.remove("attacker").catch(() => undefined); // the machine may have gone with it
      await pod.client.close();
    };
  });

  it.each([
    ["stop its process group", 0, SIGSTOP],
    ["kill its process group", 0, SIGKILL],
    ["kill every process it can see", -1, SIGKILL],
  ])("can't be made to %s with the agent in it", async (_what, target, signal) => {
    const agent = () => machine().shell("pidof node");
    const before = await agent();
    expect(before).toMatch(/^\d+\n$/);
    // kill(-1) spares it as the container's first process; the tracer itself dies.
    const printed = await whileInjecting(pod, "attacker", [KILL, target, signal], async () => {
      for (let count = 0; count < EXECS; count++) {
        await pod.execute("attacker", ["true"]).catch((error: Error) => expect(error.message).toMatch(/^[^\n]+$/));
      }
    });
    expect(printed).toMatch(target === 0 ? /injected [1-9]\d*, succeeded \d+\n$/ : /^waiting\n$/);
    expect(await agent()).toBe(before);
    expect((await pod.execute("neighbour", ["echo", "lives"])).stdout.toString()).toBe("lives\n");
  });
}
