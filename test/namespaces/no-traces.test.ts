import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const EXECS = 300;
const CYCLES = 100;

describeInNamespaces("a long run", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let rootfs: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    rootfs = machine.rootfs("all");
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  /** Counts the descriptors of agent and init, and the cgroups, state files and mounts inside. */
  const traces = async () => {
    const [agent, init] = [await machine.agentPid(), await machine.initPid()];
    const descriptors = [agent, init].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
    const shell = "find /sys/fs/cgroup -type d | wc -l; ls /run/guestd/containers; wc -l < /proc/mounts";
    return [...descriptors, await machine.shell(shell)].join(" ");
  };

  /** Resolves once init has no file servers: of a container that wasn't created one waits a second for its next use. */
  const serversEnd = () => {
    const shell =
      "n=0; for p in /proc/[0-9]*; do [ $p != /proc/1 ] && [ $p/exe -ef /proc/1/exe ] && n=$((n + 1)); done; echo $n";
    return expect.poll(() => machine.shell(shell)).toBe("0\n");
  };

  /** Runs `work` once, waits for what is being cleaned up, and expects two more runs to leave nothing behind. */
  const leavesNothing = async (work: () => Promise<void>) => {
    await work();
    await serversEnd();
    await sleep(100);
    const before = await traces();
    for (let i = 0; i < 2; i++) await work();
    await expect.poll(traces, { interval: 100 }).toBe(before);
  };

  it(`of ${EXECS} execs, including failed and unread ones and terminals, leaves no descriptor behind`, async () => {
    const id = await pod.create(["sleep", "1000"], {}, rootfs);
    await pod.client.agent.startContainer({ container_id: id });
    await leavesNothing(async () => {
      for (let i = 0; i < EXECS / 6; i++) {
        expect((await pod.execute(id, ["sh", "-c", `exit ${i}`])).status).toBe(i);
        await expect(pod.exec(id, ["nope"])).rejects.toThrow("not found");
        const exec_id = await pod.exec(id, ["echo", "unread"], { Terminal: i % 2 === 0 });
        await pod.client.agent.waitProcess({ container_id: id, exec_id });
        expect((await pod.drain("readStdout", id, exec_id)).toString().trim()).toBe("unread");
      }
    });
    await pod.remove(id);
  }, 120_000);

  it(`of ${CYCLES} containers, started or not, leaves no descriptor, cgroup, state file or mount behind`, async () => {
    await leavesNothing(async () => {
      for (let i = 0; i < CYCLES / 4; i++) {
        const started = await pod.create(["sh", "-c", "sleep 1000 & sleep 1000"], {}, rootfs);
        await pod.client.agent.startContainer({ container_id: started });
        const created = await pod.create(["true"], {}, rootfs);
        await expect(pod.create(["nope"], {}, rootfs)).rejects.toThrow("not found");
        await Promise.all([pod.remove(started), pod.remove(created)]);
      }
    });
  }, 120_000);
});
