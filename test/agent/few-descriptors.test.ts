import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { whyNoNamespaces } from "../init/harness.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();

describe(`an agent that runs out of descriptors${reason === undefined ? "" : ` (skipped: ${reason})`}`, {
  skip: reason !== undefined,
}, () => {
  // One exec at a time is short before it is sent to init; of several, some are when init answers.
  it.each([
    [1, 16],
    [4, 60],
  ])(
    "fails those of %i execs at once that are short of them in one line, leaves nothing of them, and goes on",
    async (count, most) => {
      await using machine = await startHostAgent();
      const pod = await Pod.open(machine, await machine.connect());
      const { agent, health } = pod.client;
      const container_id = await pod.create(["sleep", "1000"], {}, machine.rootfs("all"));
      await agent.startContainer({ container_id });
      await pod.execute(container_id, ["true"]);
      const pid = await machine.agentPid();
      const descriptors = () => readdirSync(`/proc/${pid}/fd`).map(Number);
      const limit = (soft: number) => execFileSync("prlimit", ["--pid", String(pid), `--nofile=${soft}:`]);
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
        // New ones take the lowest numbers that are free.
        const taken = new Set(descriptors());
        let soft = 0;
        for (let left = free; left > 0 || taken.has(soft); soft++) if (!taken.has(soft)) left -= 1;
        limit(soft);
        const names = Array.from({ length: count }, (_, index) => `short-${free}-${index}`);
        const started = (await Promise.all(names.map(run))).filter((name) => name !== undefined);
        expect((await health.check({})).status, `with ${free} left`).toBe(1);
        limit(1024);
        for (const exec_id of started) {
          await agent.signalProcess({ container_id, exec_id, signal: 9 });
          expect((await pod.finish(container_id, exec_id)).status).toBe(137);
        }
        all = started.length === count;
        await expect.poll(processes, { timeout: 2000, message: `with ${free} left` }).toBe("0\n");
        await expect.poll(() => descriptors().length, { message: `with ${free} left` }).toBeLessThanOrEqual(before);
        expect((await pod.execute(container_id, ["true"])).status).toBe(0);
      }
      expect(all).toBe(true);
      expect(failures.filter((line) => !/^[^\n]*EMFILE[^\n]*$/.test(line))).toEqual([]);
      if (count > 1) expect(failures.filter((line) => line.includes("pidfd")).length).toBeGreaterThan(0);
      await pod.remove(container_id);
      await pod.client.close();
    },
    60_000,
  );
});
