import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { type OpenStream, passedSocket } from "../scenarios/passed-socket.ts";
import { passfdEdgeScenarios, passfdScenarios, passfdThroughKills } from "../scenarios/passfd.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const KILLS = Number(process.env["GUESTD_KILLS"] ?? 3);

describeInNamespaces("passed stdio", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let port = 5000;
  const open: OpenStream = (options) => {
    const own = ++port;
    const connect = async () => {
      const socket = await dial(`${machine.address}_1027`);
      socket.write(`${own}\n`);
      return socket;
    };
    return passedSocket(own, connect, options);
  };
  beforeAll(async () => {
    machine = await startHostAgent({ config: "passfd_listener_port = 1027" });
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  passfdScenarios(() => pod, open);
  passfdEdgeScenarios(() => pod, open);

  it("loses no output of bursts whose writers exit at once", async () => {
    const container_id = await pod.start(["sleep", "1000"]);
    const process = { Args: ["head", "-c", "100000", "/dev/zero"], Env: ["PATH=/bin"], Cwd: "/" };
    const burst = async (count: number) => {
      const stdout = await open();
      const exec_id = `burst${count}`;
      await pod.client.agent.execProcess({ container_id, exec_id, process, stdout_port: stdout.port });
      const { status } = await pod.client.agent.waitProcess({ container_id, exec_id });
      return [status, (await stdout.text()).length];
    };
    for (let count = 0; count < 40; count += 4) {
      const got = await Promise.all([0, 1, 2, 3].map((more) => burst(count + more)));
      expect(got).toEqual([0, 1, 2, 3].map(() => [0, 100_000]));
    }
    await pod.remove(container_id);
  });

  const hasCrun = existsSync("/usr/bin/crun");
  describe(`of containers created by crun${hasCrun ? "" : " (skipped: crun is not installed)"}`, {
    skip: !hasCrun,
  }, () => {
    const crun = () => new Pod(machine, pod.client, { "guestd.runtime": "crun" });
    passfdScenarios(crun, open);
  });

  it("continues after the agent was killed, without a lost or repeated byte", () =>
    passfdThroughKills(pod, open, { kills: KILLS, lines: KILLS * 100_000 }));

  it("leaves no descriptor in init", async () => {
    const sockets = async () => Number(await machine.shell("ls -l /proc/1/fd | grep -c socket:"));
    const before = await sockets();
    const id = await pod.start(["sleep", "1000"]);
    for (let count = 0; count < 5; count++) {
      const stdout = await open();
      const process = { Args: ["true"], Env: ["PATH=/bin"], Cwd: "/" };
      const exec_id = `left${count}`;
      await pod.client.agent.execProcess({ container_id: id, exec_id, process, stdout_port: stdout.port });
      await pod.client.agent.waitProcess({ container_id: id, exec_id });
      expect(await stdout.text()).toBe("");
    }
    await pod.remove(id);
    await expect.poll(sockets).toBeLessThanOrEqual(before);
  });
});
