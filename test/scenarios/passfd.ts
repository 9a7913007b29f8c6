import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { OpenStream, PassedSocket } from "./passed-socket.ts";
import type { Pod } from "./pod.ts";

const INTERNAL = 13;

function kitOf(pod: () => Pod, open: OpenStream) {
  const portsOf = ([stdin, stdout, stderr]: readonly PassedSocket[]) => ({
    stdin_port: stdin?.port ?? 0,
    stdout_port: stdout?.port ?? 0,
    stderr_port: stderr?.port ?? 0,
  });
  return {
    portsOf,
    three: () => Promise.all([open(), open(), open()]),
    exec: (container_id: string, line: string, sockets: readonly PassedSocket[], more: Init<grpc.Process> = {}) =>
      start(pod(), container_id, line, portsOf(sockets), more),
  };
}

/** Streams that a host passes for stdio. `open` makes one. */
export function passfdScenarios(pod: () => Pod, open: OpenStream): void {
  const { three, portsOf, exec } = kitOf(pod, open);

  it("a container's stdin, stdout and stderr are the streams, and its status comes after its output", async () => {
    const [stdin, stdout, stderr] = await three();
    const container_id = `passed-${stdin.port}`;
    const rootfs = pod().machine.rootfs(container_id);
    const line = "tr a-z A-Z; echo err >/dev/stderr; echo out >/dev/stdout; exit 3";
    const OCI = ociSpec(rootfs, ["sh", "-c", line], { Annotations: pod().annotations });
    const { agent } = pod().client;
    await agent.createContainer({ container_id, OCI, ...portsOf([stdin, stdout, stderr]) });
    stdin.write("before the start ");
    await agent.startContainer({ container_id });
    stdin.write("and after");
    stdin.end();
    const { status } = await agent.waitProcess({ container_id, exec_id: "" });
    const texts = await Promise.all([stdout.text(), stderr.text()]);
    expect([status, ...texts]).toEqual([3, "BEFORE THE START AND AFTERout\n", "err\n"]);
    await pod().remove(container_id);
  });

  it("a host that hangs up neither ends nor holds the process", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const sockets = await three();
    const line = "read go; head -c 300000 /dev/zero && head -c 300000 /dev/zero >&2 && exit 7";
    const exec_id = await exec(container_id, line, sockets);
    sockets[1].hangUp();
    sockets[2].hangUp();
    sockets[0].write("go\n");
    expect(await wait(pod(), container_id, exec_id)).toBe(7);
    await pod().remove(container_id);
  });

  it("the status waits until the host has taken the output", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const sockets = await three();
    const exec_id = await exec(container_id, "head -c 3000000 /dev/zero | tr '\\0' x", sockets);
    let ended = false;
    const status = wait(pod(), container_id, exec_id).finally(() => (ended = true));
    await sleep(300);
    expect(ended).toBe(false);
    expect([(await sockets[1].text()).length, await status]).toEqual([3_000_000, 0]);
    await pod().remove(container_id);
  });

  it("a terminal has two streams", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const [stdin, stdout] = await Promise.all([open(), open()]);
    const line = "stty -echo; tty; read word; echo got $word >&2; cat; exit 6";
    const exec_id = await exec(container_id, line, [stdin, stdout], { Terminal: true });
    stdin.write("hello\n");
    stdin.write("more\n");
    await stdout.until(/more\r\n/);
    stdin.end();
    expect(await wait(pod(), container_id, exec_id)).toBe(6);
    expect(await stdout.text()).toMatch(/\/dev\/pts\/\d+\r\n[\s\S]*got hello\r\nmore\r\n$/);
    await pod().remove(container_id);
  });
}

/** What does not depend on the kind of connection. */
export function passfdEdgeScenarios(pod: () => Pod, open: OpenStream): void {
  const { three, portsOf, exec } = kitOf(pod, open);

  it("takes streams that come after the call", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const [stdout, hold] = await Promise.all([open({ later: true }), open()]);
    const asked = exec(container_id, "echo late", [{ ...hold, port: 0 }, stdout]);
    await sleep(400);
    await stdout.come();
    const exec_id = await asked;
    expect([await stdout.text(), await wait(pod(), container_id, exec_id)]).toEqual(["late\n", 0]);
    hold.hangUp();
    await pod().remove(container_id);
  });

  it("a grandchild that holds the output delays neither the end nor the status until it ends", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const sockets = await three();
    const exec_id = await exec(container_id, "sleep 1000 & echo said; exit 4", sockets);
    expect([await wait(pod(), container_id, exec_id), await sockets[1].text()]).toEqual([4, "said\n"]);
    await pod().remove(container_id);
  });

  it("calls on such streams are refused, CloseStdin is not", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const sockets = await three();
    const exec_id = await exec(container_id, "cat; exit 5", sockets);
    const ids = { container_id, exec_id };
    const { agent } = pod().client;
    await expect(agent.writeStdin({ ...ids, data: Buffer.from("x") })).rejects.toMatchObject({ code: INTERNAL });
    await expect(agent.readStdout({ ...ids, len: 10 })).rejects.toMatchObject({
      code: INTERNAL,
      message: expect.stringMatching(/^cannot get stream reader: stdout of "x\d+" has its own stream, port \d+$/),
    });
    await agent.closeStdin(ids);
    expect(await wait(pod(), container_id, exec_id)).toBe(5);
    await pod().remove(container_id);
  });

  it("streams end with a call that fails; one that never comes is none", async () => {
    const container_id = await pod().start(["sleep", "1000"]);
    const sockets = await three();
    const { agent } = pod().client;
    const Process = { Args: ["nope"], Env: ["PATH=/bin"], Cwd: "/" };
    const failing = agent.execProcess({ container_id, exec_id: "nope", process: Process, ...portsOf(sockets) });
    await expect(failing).rejects.toThrow(pod().runtime.missing);
    expect(await Promise.all(sockets.map((it) => it.text()))).toEqual(["", "", ""]);
    const stdout = await open();
    const exec_id = await start(pod(), container_id, "cat; echo end; echo lost >&2", {
      stdin_port: 4_000_000_000,
      stdout_port: stdout.port,
      stderr_port: 0,
    });
    expect([await stdout.text(), await wait(pod(), container_id, exec_id)]).toEqual(["end\n", 0]);
    await pod().remove(container_id);
  });
}

/** Numbered lines out, and what is written in back, while the agent is killed: every byte once. */
export async function passfdThroughKills(
  pod: Pod,
  open: OpenStream,
  { kills, lines }: { readonly kills: number; readonly lines: number },
): Promise<void> {
  const container_id = await pod.start(["sleep", "1000"]);
  const [from, to, numbers] = await Promise.all([open(), open(), open()]);
  const cat = await start(pod, container_id, "cat", { stdin_port: from.port, stdout_port: to.port, stderr_port: 0 });
  const ports = { stdin_port: 0, stdout_port: numbers.port, stderr_port: 0 };
  const seq = await start(pod, container_id, `seq 1 ${lines}; exit 9`, ports);
  const expected = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join("");
  const back = to.text();
  const counted = numbers.text({ bytesPerMs: 1000 });
  const feed = async () => {
    for (let at = 0; at < expected.length; at += 16_384) {
      await from.write(expected.slice(at, at + 16_384));
      await sleep(20);
    }
    from.end();
  };
  const fed = feed();
  for (let kill = 0; kill < kills; kill++) {
    await sleep(100);
    await pod.machine.killAgent();
  }
  await fed;
  await using client = await pod.machine.connect();
  const statuses = await Promise.all([cat, seq].map((exec_id) => client.agent.waitProcess({ container_id, exec_id })));
  expect(statuses.map(({ status }) => status)).toEqual([0, 9]);
  expect((await counted) === expected, "each number once").toBe(true);
  expect((await back) === expected, "each byte of the input once").toBe(true);
  await client.agent.removeContainer({ container_id });
}

let execs = 0;

async function start(
  { client }: Pod,
  container_id: string,
  line: string,
  ports: { readonly stdin_port: number; readonly stdout_port: number; readonly stderr_port: number },
  more: Init<grpc.Process> = {},
): Promise<string> {
  const exec_id = `x${++execs}`;
  const process = { Args: ["sh", "-c", line], Env: ["PATH=/bin"], Cwd: "/", ...more };
  await client.agent.execProcess({ container_id, exec_id, process, ...ports });
  return exec_id;
}

async function wait({ client }: Pod, container_id: string, exec_id: string): Promise<number> {
  return (await client.agent.waitProcess({ container_id, exec_id })).status;
}
