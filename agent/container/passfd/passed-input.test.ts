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

/** The host's end of the stream and the process's end of the pipe it feeds. */
function start() {
  const { read, write } = sys.pipe();
  for (const fd of [read, write]) sys.setNonBlocking(fd);
  const [host, ours] = sys.socketPair("stream");
  sys.setNonBlocking(ours);
  const input = new PassedInput(sys, write, new PassedStream(kernel, "passfd:1:1", 1, ours), false);
  const ended = new Promise<void>((resolve) => {
    input.onEnd = resolve;
  });
  return { read, host, input, ended };
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
