import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { closeStreams } from "./passed-stream.ts";
import { PassedStreams, type PassedStreamsOptions } from "./passed-streams.ts";

const real = openSys();
const never = new AbortController().signal;
const NONE = { stdin: 0, stdout: 0, stderr: 0 };
let hosts: Fd[] = [];

leavesNoDescriptors();
afterEach(() => {
  for (const fd of hosts.splice(0)) real.close(fd);
});

function start(options?: PassedStreamsOptions) {
  const kernel = testKernel();
  const streams = new PassedStreams(kernel, new Set(), options);
  return { kernel, streams };
}

/** A connection whose host end is closed after the test. */
function connection(): { readonly fd: Fd; ended(): boolean } {
  const [host, fd] = real.socketPair("stream");
  hosts = [...hosts, host];
  real.setNonBlocking(host);
  return { fd, ended: () => real.read(host, new Uint8Array(1)) === 0 };
}

test("gives each stream once, to the call that names its port", async () => {
  const { kernel, streams } = start({ waitMs: 10 });
  const [a, b] = [connection(), connection()];
  streams.add(7, a.fd);
  streams.add(8, b.fd);
  const taken = await streams.take({ stdin: 8, stdout: 7, stderr: 0 }, never);
  expect([taken.stdin?.fd, taken.stdout?.fd, taken.stderr]).toEqual([b.fd, a.fd, undefined]);
  expect((await streams.take({ ...NONE, stdout: 7 }, never)).stdout?.fd).toBeUndefined();
  closeStreams(taken);
  expect([a.ended(), b.ended()]).toEqual([true, true]);
  expect(kernel.init.calls.filter(([name]) => name !== "closeKept").map(([name, what]) => `${name} ${what}`)).toEqual([
    "deposit passfd:7:1",
    "deposit passfd:8:2",
    "withdraw passfd:8:2",
    "withdraw passfd:7:1",
  ]);
});

test("waits for a stream that connects after its call, until the caller aborts", async () => {
  const { streams } = start();
  const taking = streams.take({ ...NONE, stderr: 9 }, never);
  await sleep(5);
  const { fd } = connection();
  streams.add(9, fd);
  const { stderr } = await taking;
  expect(stderr?.fd).toBe(fd);
  stderr?.close();
  const caller = new AbortController();
  const late = streams.take({ ...NONE, stderr: 9 }, caller.signal);
  caller.abort();
  expect((await late).stderr?.fd).toBeUndefined();
});

test("closes a stream that isn't claimed in time or that a new one of its port replaces", async () => {
  const { streams } = start({ unclaimedMs: 20 });
  const [first, second] = [connection(), connection()];
  streams.add(5, first.fd);
  streams.add(5, second.fd);
  expect([first.ended(), second.ended()]).toEqual([true, false]);
  await expect.poll(() => second.ended()).toBe(true);
});

test("keeps a limited number of streams, not counting those that calls wait for", async () => {
  const { streams } = start();
  const taking = streams.take({ ...NONE, stdin: 130 }, never);
  for (let port = 1; port <= 128; port++) streams.add(port, connection().fd);
  const more = connection();
  streams.add(129, more.fd);
  expect(more.ended()).toBe(true);
  const wanted = connection();
  streams.add(130, wanted.fd);
  const taken = await taking;
  expect(taken.stdin?.fd).toBe(wanted.fd);
  closeStreams(taken);
  streams.close();
});

test("keeps a previous agent's streams that no process owns", async () => {
  const [free, used] = [connection(), connection()];
  const deposits = new Map([
    ["passfd:5:3", free.fd],
    ["passfd:6:4", used.fd],
    ["conn:1", -1],
  ]);
  const kernel = testKernel({ greeting: { deposits } });
  const streams = new PassedStreams(kernel, new Set(["passfd:6:4"]), { waitMs: 10 });
  const { stdin, stdout } = await streams.take({ stdin: 5, stdout: 6, stderr: 0 }, never);
  expect([stdin?.fd, stdout?.fd]).toEqual([free.fd, undefined]);
  const fresh = connection();
  streams.add(5, fresh.fd);
  expect(kernel.init.calls).toContainEqual(["deposit", "passfd:5:5", fresh.fd]);
  stdin?.close();
  streams.close();
  real.close(used.fd);
});

test("closes a connection that init can't keep", () => {
  const { kernel, streams } = start();
  const deposit = () => {
    throw new Error("init has too many");
  };
  Object.assign(kernel.init, { deposit });
  const { fd, ended } = connection();
  expect(() => streams.add(5, fd)).toThrow("init has too many");
  expect(ended()).toBe(true);
});

test("gives a port's stream to the first of two calls that wait for it, and the other one a closed stream", async () => {
  const { streams } = start();
  const first = streams.take({ ...NONE, stdin: 4 }, never);
  const second = await streams.take({ ...NONE, stdin: 4 }, never);
  expect([second.stdin?.fd, second.stdin?.port]).toEqual([undefined, 4]);
  const { fd } = connection();
  streams.add(4, fd);
  const { stdin } = await first;
  expect(stdin?.fd).toBe(fd);
  stdin?.close();
});

test("doesn't wait for a caller that has aborted, but gives it a stream that is there", async () => {
  const { streams } = start();
  const aborted = AbortSignal.abort();
  expect((await streams.take({ ...NONE, stdin: 4 }, aborted)).stdin?.fd).toBeUndefined();
  const { fd } = connection();
  streams.add(4, fd);
  const { stdin } = await streams.take({ ...NONE, stdin: 4 }, aborted);
  expect(stdin?.fd).toBe(fd);
  stdin?.close();
});

test("closes all streams that no call has claimed", () => {
  const { streams } = start();
  const both = [connection(), connection()];
  for (const [port, { fd }] of both.entries()) streams.add(port, fd);
  streams.close();
  expect(both.map(({ ended }) => ended())).toEqual([true, true]);
});
