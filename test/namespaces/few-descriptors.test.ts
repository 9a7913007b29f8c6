import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** An agent without a call looks at its memory each second. */
const IDLE_MS = 2500;

describeInNamespaces("an agent that runs out of descriptors", () => {
  it.each([
    [1, 16],
    [4, 60],
  ])(
    "fails those of %i simultaneous execs that lack descriptors in one line, leaves nothing of them behind, and keeps running",
    async (count, most) => {
      await using machine = await startHostAgent();
      const pod = await Pod.open(machine);
      const { agent, health } = pod.client;
      const container_id = await pod.create(["sleep", "1000"], {}, machine.rootfs("all"));
      await agent.startContainer({ container_id });
      await pod.execute(container_id, ["true"]);
      const { descriptors, leaveFree, giveAll } = await descriptorsOf(machine);
      const processes = () => machine.shell("ps -o args | grep -c '[s]leep 741' || true");
      const before = descriptors().length;
      const failures: string[] = [];
      const run = async (exec_id: string) => {
        const process = { Args: ["/bin/sleep", "741"], Cwd: "/" };
        try {
          await agent.execProcess({ container_id, exec_id, process });
        } catch (error) {
          failures.push((error as Error).message);
          return undefined;
        }
        return exec_id;
      };
      let all = false;
      for (let free = 0; free <= most && !all; free++) {
        leaveFree(free);
        const names = Array.from({ length: count }, (_, index) => `short-${free}-${index}`);
        const started = (await Promise.all(names.map(run))).filter((name) => name !== undefined);
        expect((await health.check({})).status, `with ${free} left`).toBe(1);
        giveAll();
        for (const exec_id of started) {
          await agent.signalProcess({ container_id, exec_id, signal: 9 });
          expect((await pod.finish(container_id, exec_id)).status).toBe(137);
        }
        all = started.length === count;
        await expect.poll(processes, { message: `with ${free} left` }).toBe("0\n");
        await expect.poll(() => descriptors().length, { message: `with ${free} left` }).toBeLessThanOrEqual(before);
        expect((await pod.execute(container_id, ["true"])).status).toBe(0);
      }
      expect(all).toBe(true);
      expect(failures.filter((line) => !/^[^\n]*EMFILE[^\n]*$/.test(line))).toEqual([]);
      await pod.remove(container_id);
      await pod.client.close();
    },
    60_000,
  );

  it("fails an exec that lacks descriptors for init's response in one line, ends its process, and keeps running", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const { agent, health } = pod.client;
    const container_id = await pod.create(["sleep", "1000"], {}, machine.rootfs("all"));
    await agent.startContainer({ container_id });
    const { descriptors, leaveFree, giveAll } = await descriptorsOf(machine);
    const before = descriptors().length;
    const init = await machine.initPid();
    process.kill(init, "SIGSTOP");
    // With HOME no other process reads the passwd before.
    const args = { Args: ["/bin/sleep", "741"], Env: ["HOME=/"], Cwd: "/" };
    const executed = expect(agent.execProcess({ container_id, exec_id: "late", process: args })).rejects.toThrow(
      /^receive the pidfd of process \d+ from init: EMFILE \(too many open files\)$/,
    );
    try {
      await expect.poll(() => descriptors().length).toBeGreaterThan(before);
      // The exec created its pipes and sent the request at once; later requests are answered after that.
      expect((await health.check({})).status).toBe(1);
      leaveFree(0);
    } finally {
      process.kill(init, "SIGCONT");
    }
    await executed;
    giveAll();
    await expect.poll(() => machine.shell("ps -o args | grep -c '[s]leep 741' || true")).toBe("0\n");
    await expect.poll(() => descriptors().length).toBeLessThanOrEqual(before);
    expect((await pod.execute(container_id, ["true"])).status).toBe(0);
    await pod.remove(container_id);
    await pod.client.close();
  });

  it("fails a CreateContainer that lacks descriptors in one line, leaves nothing behind, and keeps running", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const rootfs = machine.rootfs("all");
    await pod.remove(await pod.create(["true"], {}, rootfs));
    const { descriptors, leaveFree, giveAll } = await descriptorsOf(machine);
    const traces = () =>
      machine.shell(
        "ls /run/guestd/containers; find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts; wc -w < /proc/1/task/1/children",
      );
    const before = { descriptors: descriptors().length, traces: await traces() };
    const failures: string[] = [];
    let made = "";
    for (let free = 0; free <= 40 && made === ""; free++) {
      leaveFree(free);
      const OCI = ociSpec(rootfs, ["sleep", "1000"]);
      const spec = free % 2 === 0 ? OCI : { ...OCI, Process: { ...OCI.Process, Terminal: true } };
      const container_id = `short-${free}`;
      await pod.client.agent.createContainer({ container_id, OCI: spec }).then(
        () => {
          made = container_id;
        },
        (error: Error) => failures.push(error.message),
      );
      expect((await pod.client.health.check({})).status, `with ${free} left`).toBe(1);
      giveAll();
      if (made !== "") await pod.remove(made);
      await expect.poll(traces, { message: `with ${free} left` }).toBe(before.traces);
      await expect.poll(() => descriptors().length).toBeLessThanOrEqual(before.descriptors);
    }
    expect(made).not.toBe("");
    expect(failures.length).toBeGreaterThan(2);
    expect(failures.filter((line) => !/^[^\n]*EMFILE[^\n]*$/.test(line))).toEqual([]);
    await pod.client.close();
  }, 60_000);

  it("keeps running while it has no free descriptor and becomes idle, when it looks at its memory", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const { leaveFree, giveAll } = await descriptorsOf(machine);
    const before = await machine.agentPid();
    leaveFree(0);
    await pod.client.health.check({});
    await sleep(IDLE_MS);
    expect((await pod.client.health.check({})).status).toBe(1);
    expect(await machine.agentPid()).toBe(before);
    giveAll();
    await pod.client.close();
  });

  it("lets new connections wait until descriptors are free again, and serves the existing ones", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const { leaveFree, giveAll } = await descriptorsOf(machine);
    leaveFree(0);
    const late = await Promise.all(Array.from({ length: 20 }, () => machine.connect()));
    const answers = late.map(({ health }) => health.check({}));
    const first = Promise.race(answers).then(() => "answered");
    for (let round = 0; round < 5; round++) {
      expect((await pod.client.health.check({})).status).toBe(1);
      await sleep(50);
    }
    expect(await Promise.race([first, sleep(0, "waiting")])).toBe("waiting");
    giveAll();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(new Array(20).fill(1));
    expect(machine.console()).toMatch(/accept[^\n]*EMFILE/);
    await Promise.all([...late, pod.client].map((client) => client.close()));
  });
});

type HostAgent = Awaited<ReturnType<typeof startHostAgent>>;

/** Returns functions that list the agent's descriptors and set how many more it may open. */
async function descriptorsOf(machine: HostAgent) {
  const pid = await machine.agentPid();
  const descriptors = () => readdirSync(`/proc/${pid}/fd`).map(Number);
  const limit = (soft: number) => execFileSync("prlimit", ["--pid", String(pid), `--nofile=${soft}:`]);
  const leaveFree = (free: number) => {
    // New descriptors take the lowest free numbers.
    const taken = new Set(descriptors());
    let soft = 0;
    for (let left = free; left > 0 || taken.has(soft); soft++) if (!taken.has(soft)) left -= 1;
    limit(soft);
  };
  return { descriptors, leaveFree, giveAll: () => limit(1024) };
}
