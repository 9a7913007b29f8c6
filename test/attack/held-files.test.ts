import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FuseConnections } from "../../agent/container/killed/fuse-connections.ts";
import { mountedDevices } from "../../agent/container/killed/mounted-devices.ts";
import { realFiles } from "../../agent/kernel/files.ts";
import { openSys } from "../../agent/kernel/sys/sys.ts";
import { copyOutAsTar } from "../../host/client/streams/copy-out.ts";
import { childrenOf } from "../init/testing/children-of.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";
import { answersThroughout } from "./testing/answers-throughout.ts";
import { startFuseAttacker, whyNoFuse } from "./testing/fuse-attacker.ts";

/**
 * Without any capability a container puts an overlay above a file system that it serves itself. Its type is that of a
 * container's root, and the kernel holds whoever waits for the server, even against SIGKILL.
 */
describeInNamespaces(
  "an overlay above a container's own file system",
  () => {
    let machine: Awaited<ReturnType<typeof startHostAgent>>;
    let pod: Pod;
    beforeAll(async () => {
      machine = await startHostAgent();
      pod = await Pod.open(machine);
    });
    afterAll(async () => {
      if (machine !== undefined) await abortConnections(await children("held-lock"));
      await pod?.client.close();
      await machine?.[Symbol.asyncDispose]();
    });

    /** Starts an attacker, and resolves with its container once it reports its success with a directory. */
    async function attack(
      id: string,
      directory: string,
      program = "held-overlay",
      success = "mounted",
    ): Promise<string> {
      const rootfs = machine.rootfs(id);
      for (const name of ["data", "etc", "run/lower", "run/other"]) mkdirSync(join(rootfs, name), { recursive: true });
      await startFuseAttacker(pod, id, rootfs, [program, directory]);
      const stdout = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
      expect(Buffer.from(stdout.data).toString()).toBe(`${success}\n`);
      return id;
    }

    /** Pids of init's children of a name. */
    async function children(name: string): Promise<number[]> {
      const all = childrenOf(await machine.initPid());
      return all.filter((pid) => commandOf(pid) === name);
    }
    /** File servers that a file system holds; they have init's name. */
    const servers = async () => (await children("init")).filter((pid) => stateOf(pid) === "D");

    const streams = () => `${machine.address}_1028`;
    const exec = (id: string) => pod.execute(id, ["true"]);
    const copy = (container: string, path: string) =>
      copyOutAsTar(streams(), { container, path }, async () => undefined);

    it("holds only the servers that look into it: their calls fail in one line, others are served, and it gets no third", async () => {
      const holder = await attack("holder", "/etc");
      const agent = await machine.agentPid();
      const copying = expect(copy(holder, "/etc/x")).rejects.toThrow(/the file system did not answer in 30 s/);
      const late = /the file system did not answer in 10 s \(load \/etc\/passwd\)/;
      await answersThroughout(pod, () => expect(exec(holder)).rejects.toThrow(late));
      const neighbour = await pod.start(["sleep", "1000"]);
      await copy(neighbour, "/etc/passwd");
      expect((await exec(neighbour)).status).toBe(0);
      await copying;
      await expect.poll(() => exec(holder).catch(String)).toMatch(/file systems that don't answer hold 2 helpers/);
      await expect.poll(servers).toHaveLength(2);
      expect(await machine.agentPid()).toBe(agent);
      const [attacker] = await children("held-overlay");
      for (const server of childrenOf(attacker)) process.kill(server, "SIGKILL");
      await expect.poll(servers).toEqual([]);
      // The agent learns of their ends from init.
      await expect.poll(() => exec(holder).then(({ status }) => status, String)).toBe(0);
      await pod.remove(holder);
      await pod.remove(neighbour);
    });

    it("ends with its container, although the kernel holds the killed process that keeps a lock", async () => {
      const holder = await attack("lock", "/etc", "held-lock", "held");
      const copying = copy(holder, "/etc/x").catch(String);
      await expect.poll(servers).toHaveLength(1);
      await pod.remove(holder);
      await expect.poll(servers).toEqual([]);
      expect(await copying).toMatch(/copy out of container lock/);
      expect(machine.console()).toMatch(/killed containers: aborted FUSE connections that held processes: \d+"/);
    });

    it("does not hold an agent that ends", async () => {
      const holder = await attack("outlived", "/etc");
      const failing = exec(holder).catch(String);
      await expect.poll(servers).not.toEqual([]);
      await machine.killAgent();
      await failing;
      expect(await servers()).not.toEqual([]);
      expect((await pod.client.health.check({})).status).toBe(1);
      await pod.remove(holder);
      await expect.poll(servers).toEqual([]);
    });
  },
  whyNoFuse,
);

/** Aborts what may hold attackers after a failed test: they would stay until this machine ends. */
async function abortConnections(pids: readonly number[]): Promise<void> {
  if (pids.length === 0) return;
  using connections = new FuseConnections(openSys());
  const devices = await mountedDevices(realFiles, pids);
  const waiting = await connections.waiting();
  for (const id of connections.hold(waiting.filter((each) => devices.has(each)))) connections.abort(id);
}

/** Returns a process's state, as ps shows it. */
function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    return undefined; // reaped meanwhile
  }
}

function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined; // reaped meanwhile
  }
}
