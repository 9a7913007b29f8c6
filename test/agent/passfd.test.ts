import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { whyNoNamespaces } from "../init/harness.ts";
import { type OpenStream, passedSocket } from "../scenarios/passed-socket.ts";
import { passfdScenarios, passfdThroughKills } from "../scenarios/passfd.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

const reason = whyNoNamespaces();
const KILLS = Number(process.env["GUESTD_KILLS"] ?? 4);

describe(`passed stdio${reason === undefined ? "" : ` (skipped: ${reason})`}`, { skip: reason !== undefined }, () => {
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
    pod = await Pod.open(machine, await machine.connect());
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  passfdScenarios(() => pod, open, { later: true });

  it("goes on after the agent was killed, and no byte is lost or comes twice", () =>
    passfdThroughKills(pod, open, KILLS));

  it("leaves no descriptor with init", async () => {
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
