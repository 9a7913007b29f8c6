import { expect, it } from "vitest";
import { type AttachOptions, type AttachRequest, attach } from "../../host/client/streams/attachment.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { STREAM } from "../../proto/stream-frame.ts";
import type { Pod } from "./pod.ts";
import { RawStreams } from "./raw-streams.ts";

export const shellProcess = (script: string, parts: Init<grpc.Process> = {}) => ({
  Args: ["sh", "-c", script],
  Env: ["PATH=/bin"],
  Cwd: "/",
  ...parts,
});

let count = 0;
const newExec = () => `streams-${process.pid}-${++count}`;

/** Attaches and collects the output as text. */
export function attachText(address: string, request: AttachRequest, options: Partial<AttachOptions> = {}) {
  const text = { stdout: "", stderr: "" };
  const onData: AttachOptions["onData"] = (name, bytes) => {
    text[name] += Buffer.from(bytes).toString();
  };
  return { text, attachment: attach(address, request, { onData, giveUpMs: 20_000, ...options }) };
}

interface Given {
  readonly pod: Pod;
  readonly address: string;
  readonly container: string;
}

/**
 * Behaviour of guestd.v1.Streams at an address, in a container that runs. `isRelayed`: the agent learns later that a client has
 * left, so another one takes over instead of waiting.
 */
export function streamsScenarios(given: () => Given, isRelayed = false): void {
  const takeover = isRelayed;
  it("runs a process with input, output and status over one connection", async () => {
    const { address, container } = given();
    const process = shellProcess("echo out; echo err >&2; cat; exit 7");
    const { attachment, text } = attachText(address, { container, exec: newExec(), process });
    await attachment.write(Buffer.from("typed"));
    attachment.end();
    expect(await attachment.exit).toEqual({ code: 7, signal: 0, stdout: 9, stderr: 4 });
    expect(text).toEqual({ stdout: "out\ntyped", stderr: "err\n" });
  });

  it("attaches to a process that was started under the same id, and refuses another process under it", async () => {
    const { address, container } = given();
    const exec = newExec();
    const process = shellProcess("echo once; cat");
    const raw = await RawStreams.attach(address, { container_id: container, exec_id: exec, process });
    await raw.frame("data");
    raw.socket.destroy();
    const other = attachText(address, { container, exec, process: shellProcess("echo other") }).attachment;
    await expect(other.exit).rejects.toMatchObject({
      kind: "already-exists",
      message: `attach: the exec id "${exec}" belongs to another process; choose another id`,
    });
    const { attachment, text } = attachText(address, { container, exec, process, takeover });
    attachment.end();
    expect(await attachment.exit).toMatchObject({ code: 0 });
    expect(text.stdout).toBe("once\n");
  });

  it("attaches to a container's first process, with all that it has printed", async () => {
    const { pod, address } = given();
    const container = await pod.start(["sh", "-c", "echo first; sleep 0.2; echo last; exit 5"]);
    const { attachment, text } = attachText(address, { container });
    expect(await attachment.exit).toMatchObject({ code: 5, stdout: 11 });
    expect(text.stdout).toBe("first\nlast\n");
    await pod.remove(container);
  });

  it("returns the end of a process again until a client has acknowledged it, then no more", async () => {
    const { address, container } = given();
    const exec = newExec();
    const request = { container_id: container, exec_id: exec, process: shellProcess("echo x; exit 4") };
    for (let time = 0; time < 2; time++) {
      await using raw = await RawStreams.attach(address, request);
      await raw.frame("exit");
      const frames = raw.frames.map(({ type, stream }) => `${type} ${stream}`);
      // Each stream is in order; between them only the first frame and the last one are.
      expect([frames.at(0), frames.at(-1)]).toEqual(["hello 3", "exit 3"]);
      const of = (stream: number) => raw.frames.filter((frame) => frame.stream === stream).map(({ type }) => type);
      expect([of(STREAM.stdout), of(STREAM.stderr), frames.length]).toEqual([["data", "eof"], ["eof"], 5]);
      expect(raw.received(STREAM.stdout).toString()).toBe("x\n");
    }
    const { attachment } = attachText(address, { container, exec, takeover });
    expect(await attachment.exit).toMatchObject({ code: 4 });
    await expect(attachText(address, { container, exec }).attachment.exit).rejects.toMatchObject({ kind: "not-found" });
  });

  it("lets one client take over from another, at the first byte that was not acknowledged", async () => {
    const { address, container } = given();
    const exec = newExec();
    const first = attachText(address, { container, exec, process: shellProcess("while read x; do echo $x; done") });
    await first.attachment.write(Buffer.from("one\n"));
    await expect.poll(() => first.text.stdout).toBe("one\n");
    const refused = attachText(address, { container, exec }).attachment;
    await expect(refused.exit).rejects.toMatchObject({
      kind: "failed-precondition",
      message: "attach: another client is attached; set takeover to replace it",
    });
    const second = attachText(address, { container, exec, takeover: true });
    expect(await second.attachment.attached).toMatchObject({ stdin: 4, terminal: false });
    await expect(first.attachment.exit).rejects.toMatchObject({ kind: "taken-over" });
    await expect(first.attachment.write(Buffer.from("lost\n"))).rejects.toMatchObject({ kind: "taken-over" });
    await second.attachment.write(Buffer.from("two\n"));
    second.attachment.end();
    expect(await second.attachment.exit).toMatchObject({ code: 0, stdout: 8 });
    expect(first.text.stdout + second.text.stdout).toBe("one\ntwo\n");
  });

  it("doesn't start a process again that another client has ended while its own was disconnected", async () => {
    const { address, container } = given();
    const exec = newExec();
    const process = shellProcess(`echo started >> /tmp/starts-${exec}; cat`);
    const first = attachText(address, { container, exec, process }).attachment;
    await first.attached;
    first.disconnect();
    const second = attachText(address, { container, exec, takeover }).attachment;
    second.end();
    await Promise.allSettled([second.exit, first.exit]);
    await expect(first.exit).rejects.toMatchObject({ kind: expect.stringMatching(/^not-found|failed-precondition$/) });
    const { attachment, text } = attachText(address, {
      ...{ container, exec: newExec(), process: shellProcess(`cat /tmp/starts-${exec}`) },
    });
    await attachment.exit;
    expect(text.stdout).toBe("started\n");
  });

  it("tells a client exactly which bytes another one has acknowledged", async () => {
    const { address, container } = given();
    const exec = newExec();
    const first = attachText(address, { container, exec, process: shellProcess("echo 12345; cat; echo 67") });
    await expect.poll(() => first.text.stdout.length).toBe(6);
    const { epoch = new Uint8Array() } = first.attachment.position ?? {};
    first.attachment.close();
    await expect(first.attachment.exit).rejects.toMatchObject({ kind: "canceled" });
    const gaps: unknown[] = [];
    const from = { epoch, stdout: 2, stderr: 0 };
    const onGap = (...gap: unknown[]) => gaps.push(gap);
    const second = attachText(address, { container, exec, from, takeover }, { onGap });
    second.attachment.end();
    expect(await second.attachment.exit).toMatchObject({ code: 0, stdout: 9 });
    expect(gaps).toEqual([["stdout", 2, 6, "they were acknowledged before"]]);
    expect(second.text.stdout).toBe("67\n");
  });

  it("sets the size of a terminal, sends signals and ends a terminal's input by ^D", async () => {
    const { address, container } = given();
    const script =
      "trap 'stty size; exit 3' USR1; stty -echo; echo ready; cat; echo ended; while :; do sleep 0.1; done";
    const process = shellProcess(script, { Terminal: true });
    const { attachment, text } = attachText(address, { container, exec: newExec(), process });
    attachment.resize(33, 99);
    await expect.poll(() => text.stdout).toBe("ready\r\n");
    attachment.end();
    await expect.poll(() => text.stdout).toBe("ready\r\nended\r\n");
    attachment.signal(10);
    expect(await attachment.exit).toMatchObject({ code: 3 });
    expect(text.stdout).toBe("ready\r\nended\r\n33 99\r\n");
  });

  it("refuses input that the process no longer reads, and still returns its output and status", async () => {
    const { address, container } = given();
    const process = shellProcess("trap 'echo done; exit 0' TERM; exec <&-; echo closed; while :; do sleep 0.05; done");
    const { attachment, text } = attachText(address, { container, exec: newExec(), process });
    await expect.poll(() => text.stdout).toBe("closed\n");
    const input = Buffer.alloc(200_000);
    await expect(attachment.write(input)).rejects.toMatchObject({
      kind: "gap",
      message: expect.stringContaining("EPIPE"),
    });
    attachment.signal(15);
    expect(await attachment.exit).toMatchObject({ code: 0 });
    expect(text.stdout).toBe("closed\ndone\n");
  });

  it("holds back a process whose client acknowledges nothing, without any effect on others", async () => {
    const { address, container } = given();
    const script = "head -c 1000000 /dev/zero; echo done >&2";
    const request = { container_id: container, exec_id: newExec(), process: shellProcess(script) };
    const raw = await RawStreams.attach(address, request);
    await raw.frame("data");
    for (let time = 0; time < 5; time++) {
      const { attachment, text } = attachText(address, {
        container,
        exec: newExec(),
        process: shellProcess("seq 1 9"),
      });
      await attachment.exit;
      expect(text.stdout.length).toBe(18);
    }
    expect(raw.received(STREAM.stdout).length).toBeLessThanOrEqual(65_536);
    expect(raw.received(STREAM.stderr).length).toBe(0);
    raw.socket.destroy();
    const { attachment, text } = attachText(address, { container, exec: request.exec_id, takeover });
    expect(await attachment.exit).toMatchObject({ code: 0, stdout: 1_000_000 });
    expect([text.stdout.length, text.stderr]).toEqual([1_000_000, "done\n"]);
  });

  it("refuses ReadStdout of a process that clients attach to, and ends attachments when it is removed", async () => {
    const { pod, address } = given();
    const container = await pod.start(["sh", "-c", "echo x; sleep 1000"]);
    const { attachment, text } = attachText(address, { container });
    await expect.poll(() => text.stdout).not.toBe("");
    const read = pod.client.agent.readStdout({ container_id: container, exec_id: container, len: 10 });
    await expect(read).rejects.toMatchObject({ kind: "failed-precondition" });
    await pod.remove(container);
    await expect(attachment.exit).rejects.toMatchObject({
      kind: "not-found",
      message: "attach: the process was removed",
    });
  });
}
