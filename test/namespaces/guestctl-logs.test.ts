import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const guestctl = join(import.meta.dirname, "../../host/cli/launch.cjs");
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;

describeInNamespaces("guestctl logs of a container that the agent keeps a log of", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent({ config: "container_logs = 65536" });
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  function start(...args: string[]) {
    const child = spawn(process.execPath, [guestctl, "logs", "--address", machine.address, ...args], { stdio: "pipe" });
    child.stdin.end();
    const result = async () => {
      const ended = once(child, "close");
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const [code] = await ended;
      return { stdout, stderr, code };
    };
    return { child, result: result() };
  }
  const logs = (...args: string[]) => start(...args).result;

  it("prints what was printed, its last lines, or with the times of the lines", async () => {
    const container = await pod.start([
      "sh",
      "-c",
      "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf thr; sleep 0.1; echo ee; exec sleep 1000",
    ]);
    await expect.poll(() => logs(container)).toEqual({ stdout: "one\nthree\n", stderr: "two\n", code: 0 });
    expect(await logs("--tail", "2", container)).toEqual({ stdout: "three\n", stderr: "two\n", code: 0 });
    const timed = await logs("-t", container);
    const lines = timed.stdout.trimEnd().split("\n");
    expect(lines.map((line) => line.replace(TIME, ""))).toEqual(["one", "three"]);
    expect(lines.every((line) => TIME.test(line))).toBe(true);
    expect(timed.stderr).toMatch(/^\S+Z two\n$/);
    expect(await logs("--since", "1h", container)).toMatchObject({ stdout: "one\nthree\n", code: 0 });
    const later = lines[1]?.split(" ")[0] ?? "";
    expect(await logs("--since", later, container)).toMatchObject({ stdout: "three\n", stderr: "" });
    await pod.remove(container);
    expect(await logs(container)).toEqual({ stdout: "one\nthree\n", stderr: "two\n", code: 0 });
  });

  it("follows until the end of the container, also over the death of the agent", async () => {
    const container = await pod.start(["sh", "-c", "echo begun; while [ ! -e /go ]; do sleep 0.1; done; seq 1 3"]);
    const following = start("-f", container);
    await once(following.child.stdout, "readable");
    await machine.killAgent();
    await pod.execute(container, ["touch", "/go"]);
    expect(await following.result).toEqual({ stdout: "begun\n1\n2\n3\n", stderr: "", code: 0 });
    await pod.remove(container);
  });

  it("prints one line if there is no log, or the options don't fit", async () => {
    const container = await pod.start(["sh", "-c", "echo x; exec sleep 1000"]);
    await pod.client.agent.readStdout({ container_id: container, exec_id: container, len: 10 });
    expect(await logs(container)).toEqual({
      stdout: "",
      stderr: expect.stringMatching(
        /^guestctl: logs \S+: no log is kept; an agent keeps logs with agent.container_logs=.*\n$/,
      ),
      code: 1,
    });
    expect((await logs("none")).stderr).toBe('guestctl: invalid container id: there is no container "none"\n');
    expect((await logs("--tail", "3")).stderr).toBe(
      "guestctl: logs: --since, --timestamps and --tail are for containers; name one\n",
    );
    await pod.remove(container);
  });
});
