import { expect, it } from "vitest";
import { STREAM } from "../../proto/stream-frame.ts";
import type { Pod } from "./pod.ts";
import { RawStreams } from "./raw-streams.ts";
import { attachText, shellProcess } from "./streams.ts";

let count = 0;
const newExec = () => `observed-${process.pid}-${++count}`;

/** Where clients begin, and clients that only observe, at an address, in a container that runs. */
export function observedStreamsScenarios(
  given: () => { readonly pod: Pod; readonly address: string; readonly container: string },
): void {
  it("begins with the last bytes that were printed, or with those printed from now on", async () => {
    const { address, container } = given();
    const process = shellProcess("echo 123456789; read x; echo $x; read x; echo $x");
    const request = { container, exec: newExec(), process };
    await using raw = await RawStreams.attach(address, { container_id: container, exec_id: request.exec, process });
    await raw.frame("data");
    raw.socket.destroy();
    const tail = attachText(address, { container, exec: request.exec, tail: 4 });
    await tail.attachment.write(Buffer.from("next\n"));
    await expect.poll(() => tail.text.stdout).toBe("789\nnext\n");
    tail.attachment.close();
    await expect(tail.attachment.exit).rejects.toMatchObject({ kind: "canceled" });
    const now = attachText(address, { container, exec: request.exec, tail: 0 });
    await now.attachment.write(Buffer.from("last\n"));
    expect(await now.attachment.exit).toMatchObject({ code: 0, stdout: 20 });
    expect(now.text.stdout).toBe("last\n");
  });

  it("refuses a beginning that contradicts itself, or that was not printed", async () => {
    const { address, container } = given();
    const request = { container_id: container, exec_id: newExec(), process: shellProcess("cat") };
    await using raw = await RawStreams.attach(address, { ...request, tail: 1, stdout_from: 0 });
    expect(await raw.error()).toMatch(/^invalid-argument: attach: tail, since and offsets exclude each other/);
    await using owner = await RawStreams.attach(address, request);
    await owner.frame("hello");
    await using far = await RawStreams.attach(address, { ...request, stdout_from: 5 });
    expect(await far.error()).toBe("invalid-argument: attach: output begins at byte 5: only 0 were printed");
    owner.send("ping", STREAM.process, 7);
    expect((await owner.frame("pong")).offset).toBe(7);
  });

  it("shows observers the output and the exit of the process, and takes nothing from its client", async () => {
    const { address, container } = given();
    const exec = newExec();
    const process = shellProcess("read x; seq 1 20000; seq 1 2000 >&2; exit 3");
    const owner = attachText(address, { container, exec, process });
    await owner.attachment.attached;
    const observers = Array.from({ length: 3 }, () => attachText(address, { container, exec, observe: true }));
    await Promise.all(observers.map(({ attachment }) => attachment.attached));
    await owner.attachment.write(Buffer.from("go\n"));
    expect(await owner.attachment.exit).toMatchObject({ code: 3 });
    for (const { attachment, text } of observers) {
      expect(await attachment.exit).toMatchObject({ code: 3, stdout: 108_894, stderr: 8893 });
      expect(text).toEqual(owner.text);
    }
    await expect(attachText(address, { container, exec, observe: true }).attachment.exit).rejects.toMatchObject({
      kind: "failed-precondition",
    });
  });

  it("tells an observer that falls behind which bytes are gone, and never waits for it", async () => {
    const { address, container } = given();
    const exec = newExec();
    const owner = attachText(address, { container, exec, process: shellProcess("read x; seq 1 300000; echo end >&2") });
    await owner.attachment.attached;
    const parts: { readonly from: number; readonly to: number; readonly text?: string }[] = [];
    const slow = attachText(
      address,
      { container, exec, observe: true },
      {
        onData: async (name, bytes, from) => {
          if (name === "stdout") parts.push({ from, to: from + bytes.length, text: Buffer.from(bytes).toString() });
          await owner.attachment.exit;
        },
        onGap: (_name, from, to) => parts.push({ from, to }),
      },
    );
    await slow.attachment.attached;
    await owner.attachment.write(Buffer.from("go\n"));
    expect(await owner.attachment.exit).toMatchObject({ code: 0, stdout: 1_988_895 });
    expect(await slow.attachment.exit).toMatchObject({ code: 0, stdout: 1_988_895 });
    expect(parts.some(({ text }) => text === undefined)).toBe(true);
    let next = 0;
    for (const { from, to, text } of parts) {
      expect(from).toBe(next);
      if (text !== undefined) expect(text).toBe(owner.text.stdout.slice(from, to));
      next = to;
    }
    expect(next).toBe(1_988_895);
  });

  it("refuses input from an observer, and an observer of a process that no client is attached to", async () => {
    const { pod, address, container } = given();
    const exec = newExec();
    const owner = attachText(address, { container, exec, process: shellProcess("cat") });
    await owner.attachment.attached;
    await using raw = await RawStreams.attach(address, { container_id: container, exec_id: exec, observe: true });
    await raw.frame("hello");
    raw.send("stdin", STREAM.stdin, 0, Buffer.from("x"));
    expect(await raw.error()).toBe(
      "failed-precondition: frame stdin: the client is an observer; attach without observe",
    );
    owner.attachment.end();
    expect(await owner.attachment.exit).toMatchObject({ code: 0, stdout: 0 });
    const other = await pod.start(["sh", "-c", "echo for calls; sleep 1000"]);
    await using early = await RawStreams.attach(address, { container_id: other, observe: true });
    expect(await early.error()).toMatch(/^failed-precondition: attach: no client is attached/);
    const { data } = await pod.client.agent.readStdout({ container_id: other, exec_id: other, len: 100 });
    expect(Buffer.from(data).toString()).toBe("for calls\n");
    const held = { container, exec: newExec(), process: shellProcess("echo"), observe: true };
    await expect(attachText(address, held).attachment.exit).rejects.toMatchObject({ kind: "invalid-argument" });
    const ring = attachText(address, { ...held, mode: "ring" });
    expect(await ring.attachment.exit).toMatchObject({ code: 0, stdout: 1 });
    await pod.remove(other);
  });
}
