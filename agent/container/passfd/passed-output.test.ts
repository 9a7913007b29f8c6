import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { PassedOutput } from "./passed-output.ts";
import { PassedStream } from "./passed-stream.ts";

/** Shared by all tests, because closing a descriptor must wake those who poll it. */
const sys = openSys();
const kernel = testKernel({ sys });
leavesNoDescriptors();

/** The process's end of a pipe and the host's end of the stream it feeds. A pipe also plays a terminal. */
function start(stallMs?: number, terminal = false) {
  const { read, write } = sys.pipe();
  const [host, ours] = sys.socketPair("stream");
  for (const fd of [host, ours, read]) sys.setNonBlocking(fd);
  const stream = new PassedStream(kernel, "passfd:1:1", 1, ours);
  return { write, host, output: new PassedOutput(sys, read, stream, terminal, stallMs) };
}

function readAll(host: number): string {
  let text = "";
  const into = Buffer.alloc(1 << 16);
  for (;;) {
    const count = sys.read(host, into);
    if (count <= 0) return count === 0 ? `${text}, the end` : text;
    text += into.toString("latin1", 0, count);
  }
}

test("moves the output, and ends when the last writer is gone", async () => {
  const { write, host, output } = start();
  const ends: boolean[] = [];
  output.onEnd = (writersGone) => ends.push(writersGone);
  sys.write(write, Buffer.from("said"));
  sys.close(write);
  await output.drained;
  expect([readAll(host), ends, output.ended]).toEqual(["said, the end", [true], true]);
  sys.close(host);
});

test("ends soon after the process, even if another process can still write", async () => {
  const { write, host, output } = start();
  const ends: boolean[] = [];
  output.onEnd = (writersGone) => ends.push(writersGone);
  sys.write(write, Buffer.from("early "));
  output.processExited();
  await sleep(100);
  sys.write(write, Buffer.from("late"));
  await output.drained;
  expect([readAll(host), ends]).toEqual(["early late, the end", [false]]);
  expect(() => sys.write(write, Buffer.from("too late"))).toThrow("EPIPE");
  for (const fd of [write, host]) sys.close(fd);
});

test("a host that reads nothing delays the response to WaitProcess only for a while, and still gets everything", async () => {
  const { write, host, output } = start(50);
  sys.setNonBlocking(write);
  const chunk = Buffer.alloc(65_536, "x");
  let written = 0;
  for (let idle = 0; idle < 20; idle++) {
    const count = sys.write(write, chunk);
    if (count > 0) [written, idle] = [written + count, 0];
    await sleep(2);
  }
  output.processExited();
  await output.drained;
  expect(output.ended).toBe(false);
  sys.close(write);
  let text = "";
  while (!text.endsWith(", the end")) {
    text += readAll(host);
    await sleep(1);
  }
  expect(text.length - ", the end".length).toBe(written);
  sys.close(host);
});

test("never blocks the process if the host hung up or there is no stream", async () => {
  for (const hasStream of [true, false]) {
    const { read, write } = sys.pipe();
    const [host, ours] = sys.socketPair("stream");
    for (const fd of [read, ours]) sys.setNonBlocking(fd);
    sys.close(host);
    const stream = new PassedStream(kernel, "passfd:1:1", 1, ours);
    if (!hasStream) stream.close();
    const output = new PassedOutput(sys, read, stream, false);
    sys.setNonBlocking(write);
    let written = 0;
    while (written < 1_000_000) {
      const count = sys.write(write, Buffer.alloc(65_536));
      if (count > 0) written += count;
      else await sleep(1);
    }
    sys.close(write);
    await output.drained;
  }
});

test("can be closed while it waits for the host", async () => {
  const { write, host, output } = start();
  sys.setNonBlocking(write);
  while (sys.write(write, Buffer.alloc(65_536)) > 0) await sleep(1);
  output.close();
  await output.drained;
  expect(output.ended).toBe(true);
  for (const fd of [write, host]) sys.close(fd);
});

test("copies a terminal's output, whatever its length, and waits while the stream is full", async () => {
  const { write, host, output } = start(undefined, true);
  sys.setNonBlocking(write);
  const lines = Array.from({ length: 50_000 }, (_, line) => `line ${line}\n`).join("");
  let [written, text] = [0, ""];
  while (written < lines.length) {
    const count = sys.write(write, Buffer.from(lines.slice(written, written + 65_536)));
    if (count > 0) written += count;
    else text += readAll(host);
    await sleep(0);
  }
  sys.close(write);
  while (!text.endsWith(", the end")) {
    text += readAll(host);
    await sleep(0);
  }
  await output.drained;
  expect(text === `${lines}, the end`).toBe(true);
  sys.close(host);
});

test("discards a terminal's output once the host hung up", async () => {
  const { write, host, output } = start(undefined, true);
  sys.close(host);
  for (let i = 0; i < 40; i++) {
    sys.write(write, Buffer.alloc(4096, "x"));
    await sleep(0);
  }
  sys.close(write);
  await output.drained;
  expect(output.ended).toBe(true);
});

test("an output that ended before the agent restarted is drained, and its stream is closed", async () => {
  const [host, ours] = sys.socketPair("stream");
  for (const stream of [new PassedStream(kernel, "passfd:1:1", 1, ours), undefined]) {
    const output = new PassedOutput(sys, undefined, stream, false);
    await output.drained;
    expect([output.open, output.ended]).toEqual([false, true]);
    output.processExited();
    output.close();
  }
  expect(readAll(host)).toBe(", the end");
  sys.close(host);
});

test("is open until its end", async () => {
  const { write, host, output } = start();
  expect([output.open, output.ended]).toEqual([true, false]);
  output.close();
  expect([output.open, output.ended]).toEqual([false, true]);
  for (const fd of [write, host]) sys.close(fd);
});

test("ends if the output can't be read, so that no call waits for it", async () => {
  const { read, write } = sys.pipe();
  const refuse = () => {
    throw new Error("EIO");
  };
  const ends: boolean[] = [];
  const output = new PassedOutput({ ...sys, read: refuse }, read, undefined, false);
  output.onEnd = (writersGone) => ends.push(writersGone);
  sys.write(write, Buffer.from("x"));
  await output.drained;
  expect([ends, output.ended]).toEqual([[false], true]);
  sys.close(write);
});
