import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { PassedInput } from "./passed-input.ts";
import { PassedStream } from "./passed-stream.ts";

/** Shared by all tests, because closing a descriptor must wake those who poll it. */
const sys = openSys();
const kernel = testKernel({ sys });
leavesNoDescriptors();

/** The host's end of the stream and the process's end of the pipe it feeds. A pipe also plays a terminal. */
function start(terminal = false) {
  const { read, write } = sys.pipe(terminal ? { sizeBytes: 4096 } : {});
  for (const fd of [read, write]) sys.setNonBlocking(fd);
  const [host, ours] = sys.socketPair("stream");
  sys.setNonBlocking(ours);
  const input = new PassedInput(sys, write, new PassedStream(kernel, "passfd:1:1", 1, ours), terminal);
  const ended = new Promise<void>((resolve) => {
    input.onEnd = resolve;
  });
  return { read, write, host, input, ended };
}

const END_OF_FILE = "\x04";

/** Reads until `length` bytes have arrived. */
async function readAll(fd: number, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    await sys.poll(fd, "read");
    const into = Buffer.alloc(65_536);
    text += into.toString("latin1", 0, Math.max(sys.read(fd, into), 0));
  }
  return text;
}

test("moves the host's input and its end", async () => {
  const { read, host, ended } = start();
  sys.write(host, Buffer.from("typed"));
  sys.endConnection(host);
  await ended;
  const into = Buffer.alloc(10);
  expect([sys.read(read, into), into.toString("utf8", 0, 5), sys.read(read, into)]).toEqual([5, "typed", 0]);
  for (const fd of [read, host]) sys.close(fd);
});

test("blocks the host while the process doesn't read, and loses nothing", async () => {
  const { read, host, ended } = start();
  sys.setNonBlocking(host);
  let written = 0;
  for (let idle = 0; idle < 20; idle++) {
    const count = sys.write(host, Buffer.alloc(65_536, "x"));
    if (count > 0) [written, idle] = [written + count, 0];
    await sleep(2);
  }
  sys.endConnection(host);
  let got = 0;
  for (let count = -1; count !== 0; count = sys.read(read, Buffer.alloc(65_536))) {
    if (count > 0) got += count;
    else await sleep(1);
  }
  await ended;
  expect(got).toBe(written);
  for (const fd of [read, host]) sys.close(fd);
});

test("ends the stream at the next write after the process closed its stdin", async () => {
  const { read, host, ended } = start();
  sys.close(read);
  sys.write(host, Buffer.from("x"));
  await ended;
  sys.close(host);
});

test("copies input to a terminal, whatever its length, and ends with its end-of-file character", async () => {
  const { read, write, host, ended } = start(true);
  const typed = Array.from({ length: 3000 }, (_, line) => `line ${line}\n`).join("");
  sys.write(host, Buffer.from(typed));
  sys.endConnection(host);
  expect(await readAll(read, typed.length + 1)).toBe(typed + END_OF_FILE);
  await ended;
  expect(sys.read(read, new Uint8Array(1))).toBe(-1);
  for (const fd of [read, write, host]) sys.close(fd);
});

test("sends a terminal its end-of-file character when the host closes stdin, but not when the process is removed", () => {
  for (const call of ["end", "close"] as const) {
    const { read, write, host, input } = start(true);
    input[call]();
    input[call]();
    const into = Buffer.alloc(9);
    const count = sys.read(read, into);
    expect(into.toString("latin1", 0, Math.max(count, 0))).toBe(call === "end" ? END_OF_FILE : "");
    expect(sys.read(host, into)).toBe(0);
    for (const fd of [read, write, host]) sys.close(fd);
  }
});

test("ends the stream if the terminal is gone", () => {
  const { read, write, host, input } = start(true);
  sys.close(read);
  input.end();
  expect(sys.read(host, new Uint8Array(1))).toBe(0);
  for (const fd of [write, host]) sys.close(fd);
});

test("stops copying to a full terminal when it is closed", async () => {
  const { read, write, host, input } = start(true);
  sys.write(host, Buffer.alloc(20_000, "x"));
  await expect.poll(() => sys.readable(read)).toBe(4096);
  input.close();
  expect(await readAll(read, 4096)).toHaveLength(4096);
  await sleep(0);
  expect(sys.readable(read)).toBe(0);
  for (const fd of [read, write, host]) sys.close(fd);
});

test("closes the stream of a process whose stdin was closed before the agent restarted", () => {
  const [host, ours] = sys.socketPair("stream");
  const input = new PassedInput(sys, undefined, new PassedStream(kernel, "passfd:1:1", 1, ours), false);
  expect(sys.read(host, new Uint8Array(1))).toBe(0);
  input.end();
  sys.close(host);
});
