import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { STREAM } from "../../proto/stream-frame.ts";
import type { Pod } from "./pod.ts";
import { RawStreams } from "./raw-streams.ts";
import { attachText, shellProcess } from "./streams.ts";

let count = 0;
const newExec = () => `kept-${process.pid}-${++count}`;
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `${from + at}\n`).join("");

interface Given {
  readonly pod: Pod;
  readonly address: string;
  readonly container: string;
  /** Kills the agent; resolves once the next one serves. */
  killAgent(): Promise<unknown>;
}

/** Output that is kept in files, at an address of an agent whose containers have logs of 64 KiB. */
export function keptOutputScenarios(given: () => Given): void {
  const start = async (script: string, mode: "ring" | "spool") => {
    const { address, container } = given();
    const request = { container, exec: newExec(), process: shellProcess(script), mode, keepBytes: 65_536 } as const;
    const { attachment } = attachText(address, request);
    await attachment.attached;
    attachment.close();
    await expect(attachment.exit).rejects.toMatchObject({ kind: "canceled" });
    return { container, exec: request.exec };
  };

  it.each(["ring", "spool"] as const)(
    "a %s drops the oldest bytes while no client is attached, and says which",
    async (mode) => {
      const { pod, address, container, killAgent } = given();
      const go = `/go-${newExec()}`;
      const script = `read x; while [ ! -e ${go} ]; do sleep 0.02; done; seq 1 30000; echo done >&2`;
      const process = await start(script, mode);
      const all = numbers(1, 30_000);
      const writer = attachText(address, process);
      await writer.attachment.write(Buffer.from("go\n"));
      writer.attachment.close();
      await expect(writer.attachment.exit).rejects.toMatchObject({ kind: "canceled" });
      await pod.exec(container, ["touch", go]);
      await vi.waitUntil(async () => {
        const late = attachText(address, { ...process, observe: true, tail: 0 });
        await late.attachment.attached;
        late.attachment.close();
        return late.attachment.position?.stdout === all.length;
      }, 50_000);
      await killAgent();
      const gaps: unknown[] = [];
      const onGap = (...gap: unknown[]) => gaps.push(gap);
      const { epoch = new Uint8Array() } = writer.attachment.position ?? {};
      const reader = attachText(address, { ...process, from: { epoch, stdout: 0, stderr: 0 } }, { onGap });
      expect(await reader.attachment.exit).toMatchObject({ code: 0, stdout: all.length, stderr: 5 });
      expect(gaps).toEqual([["stdout", 0, all.length - 65_536, "only the last 65536 bytes are kept"]]);
      expect(reader.text).toEqual({ stdout: all.slice(-65_536), stderr: "done\n" });
    },
  );

  it("a ring keeps the last output of a terminal", async () => {
    const { address, container } = given();
    const process = shellProcess("stty -opost; read x; seq 1 30000; read x", { Terminal: true });
    const request = { container, exec: newExec(), process, mode: "ring", keepBytes: 16_384 } as const;
    const owner = attachText(address, request, { onGap: () => undefined });
    await owner.attachment.attached;
    await owner.attachment.write(Buffer.from("go\n"));
    await expect.poll(() => owner.text.stdout.endsWith("30000\n")).toBe(true);
    owner.attachment.close();
    await expect(owner.attachment.exit).rejects.toMatchObject({ kind: "canceled" });
    const again = attachText(address, { container, exec: request.exec, tail: 18 });
    await again.attachment.write(Buffer.from("x\n"));
    expect(await again.attachment.exit).toMatchObject({ code: 0 });
    expect(again.text.stdout).toMatch(/^29998\n29999\n30000\n/);
  });

  it("refuses a mode that can't be", async () => {
    const { address, container } = given();
    const request = { container_id: container, exec_id: newExec(), process: shellProcess("cat") };
    const cases: readonly [object, RegExp][] = [
      [
        { mode: 2, keep_bytes: 2 << 20 },
        /^invalid-argument: attach: keep_bytes is 2097152, not from 16384 to 1048576$/,
      ],
      [{ mode: 3, keep_bytes: 1 }, /keep_bytes is 1, not from 16384 to 67108864$/],
      [{ keep_bytes: 65_536 }, /keep_bytes is 65536 without a mode that keeps; set ring or spool$/],
      [{ mode: 9 }, /mode 9 doesn't exist; set hold, ring or spool$/],
    ];
    for (const [parts, error] of cases) {
      await using raw = await RawStreams.attach(address, { ...request, ...parts });
      expect(await raw.error()).toMatch(error);
    }
    await using held = await RawStreams.attach(address, request);
    await held.frame("hello");
    await using dropping = await RawStreams.attach(address, { ...request, mode: 2 });
    expect(await dropping.error()).toMatch(/^failed-precondition: attach: the process's output is held/);
    held.send("ping", STREAM.process, 3);
    await held.frame("pong");
  });

  it("keeps a container's log, which observers follow, and which outlives the agent and the container", async () => {
    const { pod, address, killAgent } = given();
    const container = await pod.start([
      "sh",
      "-c",
      "seq 1 30000; echo err >&2; while [ ! -e /go ]; do sleep 0.1; done; echo end",
    ]);
    const gaps: unknown[] = [];
    const onGap = (...gap: unknown[]) => gaps.push(gap);
    const follower = attachText(address, { container, observe: true, tail: 6 });
    await expect.poll(() => follower.text.stdout.endsWith("30000\n") && follower.text.stderr === "err\n").toBe(true);
    await killAgent();
    const exec = attachText(address, { container, exec: newExec(), process: shellProcess("touch /go") });
    expect(await exec.attachment.exit).toMatchObject({ code: 0 });
    expect(await follower.attachment.exit).toMatchObject({ code: 0 });
    await pod.remove(container);
    await killAgent();
    const { epoch = new Uint8Array() } = follower.attachment.position ?? {};
    const times: number[] = [];
    const onTime = (_name: string, time: Date) => times.push(time.getTime());
    const log = attachText(
      address,
      { container, observe: true, from: { epoch, stdout: 0, stderr: follower.text.stderr.length } },
      { onGap, onTime },
    );
    expect(await log.attachment.exit).toMatchObject({ code: 0 });
    const all = `${numbers(1, 30_000)}end\n`;
    expect(log.text).toEqual({ stdout: all.slice(-65_536), stderr: "" });
    expect(gaps).toEqual([["stdout", 0, all.length - 65_536, "only the last 65536 bytes are kept"]]);
    expect(times.length).toBeGreaterThan(1);
    expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(120_000);
    const since = attachText(address, { container, observe: true, since: new Date(times.at(-1) ?? 0) });
    expect(await since.attachment.exit).toMatchObject({ code: 0 });
    expect(since.text.stdout.endsWith("end\n")).toBe(true);
    expect(since.text.stdout.length).toBeLessThan(65_536);
  });

  it("gives calls the same bytes as without a log, and then ends the log", async () => {
    const { pod, address, killAgent } = given();
    const container = await pod.start(["sh", "-c", "seq 1 5000; echo err >&2; read x; seq 5001 6000"]);
    const follower = attachText(address, { container, observe: true });
    await expect.poll(() => follower.text.stdout.endsWith("5000\n")).toBe(true);
    const read = async (call: "readStdout" | "readStderr", len: number) => {
      const { data } = await pod.client.agent[call]({ container_id: container, exec_id: container, len });
      return Buffer.from(data).toString();
    };
    let text = await read("readStdout", 1000);
    await expect(follower.attachment.exit).rejects.toMatchObject({
      kind: "failed-precondition",
      message: "logs: the host reads the output by calls",
    });
    await killAgent();
    while (text.length < numbers(1, 5000).length) text += await read("readStdout", 7000);
    expect(await read("readStderr", 100)).toBe("err\n");
    await pod.client.agent.writeStdin({ container_id: container, exec_id: container, data: Buffer.from("go\n") });
    for (let part = "x"; part !== ""; text += part) part = await read("readStdout", 7000);
    expect(text).toBe(numbers(1, 6000));
    await pod.remove(container);
  });

  it("drops nothing right after the start, so that a host can still begin to read", async () => {
    const { pod } = given();
    const container = await pod.start(["seq", "1", "50000"]);
    await sleep(300); // far less than the 2 s
    let text = "";
    for (let part = "x"; part !== ""; text += part) {
      const { data } = await pod.client.agent.readStdout({ container_id: container, exec_id: container, len: 32_768 });
      part = Buffer.from(data).toString();
    }
    expect(text).toBe(numbers(1, 50_000));
    await pod.remove(container);
  });

  it("holds a container's output for a client that attaches, and drops none until it leaves", async () => {
    const { pod, address } = given();
    const container = await pod.start(["sh", "-c", "read x; seq 1 50000; sleep 1000"]);
    const owner = await RawStreams.attach(address, { container_id: container, client: "owner" });
    await owner.frame("hello");
    owner.send("stdin", STREAM.stdin, 0, Buffer.from("go\n"));
    await owner.frame("stdinAck");
    owner.socket.destroy();
    const again = attachText(address, { container, takeover: true });
    const all = numbers(1, 50_000);
    await expect.poll(() => again.text.stdout.length).toBe(all.length);
    expect(again.text.stdout).toBe(all);
    again.attachment.close();
    await expect(again.attachment.exit).rejects.toMatchObject({ kind: "canceled" });
    await pod.remove(container);
  });
}
