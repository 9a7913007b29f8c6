import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startHostAgent } from "../agent/host-agent.ts";
import { describeInNamespaces } from "../init/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildAttacker, startWith } from "./attacker.ts";

const SIGKILL = 9;
const SIGSTOP = 19;
const KILL = process.arch === "arm64" ? 129 : 62;

/** A container with CAP_SYS_PTRACE makes the copy of init that is to become an exec signal all that it can reach. */
describeInNamespaces("the child of an exec that a container traces", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    const rootfs = machine.rootfs("all");
    buildAttacker("inject", rootfs);
    await startWith(pod, "tracer", { rootfs, more: ["CAP_SYS_PTRACE"] });
    await startWith(pod, "neighbour", { rootfs });
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it("shares no process group with the agent, which leads one", async () => {
    const pid = await machine.agentPid();
    const [, group] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) . /, "")
      .split(" ");
    expect(Number(group)).toBe(pid);
  });

  it.each([
    ["stop its process group", 0, SIGSTOP],
    ["kill its process group", 0, SIGKILL],
    ["kill all that it sees", -1, SIGKILL],
  ])("can't be made to %s with the agent in it", async (_what, target, signal) => {
    const agent = await machine.agentPid();
    // As the container's first process kill(-1) spares it; the tracer itself dies of that.
    const attacker = await pod.exec("tracer", ["inject", String(KILL), String(target), String(signal), "1500"]);
    const end = Date.now() + 1600;
    while (Date.now() < end) {
      await pod.execute("tracer", ["true"]).catch((error: Error) => expect(error.message).toMatch(/^[^\n]+$/));
    }
    const { stdout, status } = await pod.finish("tracer", attacker);
    if (target === 0) expect(stdout.toString()).toMatch(/injected [1-9]\d*, succeeded \d+\n$/);
    else expect(status).toBe(137);
    expect(await machine.agentPid()).toBe(agent);
    expect((await pod.execute("neighbour", ["echo", "lives"])).stdout.toString()).toBe("lives\n");
  });
});
