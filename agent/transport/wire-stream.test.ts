import { once } from "node:events";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import { nativeAddon } from "../kernel/sys/native-addon.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { checkedPair } from "../kernel/sys/sys-result.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { createWireDouble } from "./testing/wire-double.ts";
import type { WireSys } from "./wire.ts";
import { wireStreamClass } from "./wire-stream.ts";

const Stream = wireStreamClass();

leavesNoDescriptors();
const sys = openSys();
const LARGE = Buffer.from(Array.from({ length: 1 << 20 }, (_, index) => index % 251));

function pair() {
  const [ours, peer] = checkedPair((out) => nativeAddon().socketPair(out, 0), "socketpair");
  sys.setNonBlocking(ours);
  const stream = new Stream(sys, ours);
  let sent = 0;
  stream.onSent = (bytes) => {
    sent += bytes.length;
  };
  return { stream, peer, sent: () => sent };
}

/** Reads `length` bytes on the peer's side, or up to end of file. */
async function take(peer: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let have = 0; have < length; ) {
    const into = Buffer.alloc(64 * 1024);
    await sys.poll(peer, "read");
    const count = sys.read(peer, into);
    if (count <= 0) break;
    parts.push(into.subarray(0, count));
    have += count;
  }
  return Buffer.concat(parts);
}

test("a stream passes more than a socket holds in both directions, and reports bytes once the kernel has them", async () => {
  const { stream, peer, sent } = pair();
  stream.cork();
  for (let at = 0; at < LARGE.length; at += 100_000) stream.write(LARGE.subarray(at, at + 100_000));
  stream.uncork();
  expect(sent()).toBeGreaterThan(0);
  expect(sent()).toBeLessThan(LARGE.length);
  expect((await take(peer, LARGE.length)).equals(LARGE)).toBe(true);
  expect(sent()).toBe(LARGE.length);
  sys.write(peer, Buffer.from("answer"));
  expect(String((await once(stream, "data"))[0])).toBe("answer");
  const closed = once(stream, "close");
  stream.resume().end();
  expect(await take(peer, 1)).toEqual(Buffer.alloc(0));
  await closed;
  sys.close(peer);
});

test("a write fails if the peer dies, and bytes that the kernel didn't take are not reported", async () => {
  const { stream, peer, sent } = pair();
  const failed = once(stream, "error");
  const done: unknown[] = [];
  stream.write(LARGE, (error) => done.push(error));
  const taken = sent();
  sys.close(peer);
  expect(String((await failed)[0])).toMatch(/EPIPE|ECONNRESET/);
  expect(done).toEqual([expect.any(Error)]);
  expect(sent()).toBe(taken);
});

test("a stream destroyed while it waits writes nothing to the next owner of its descriptor number", async () => {
  const { stream, peer, sent } = pair();
  stream.write(LARGE, () => undefined);
  stream.on("error", () => undefined);
  const taken = sent();
  stream.destroy();
  const next = pair();
  sys.close(peer);
  for (let i = 0; i < 3; i++) await turn();
  expect([sent(), next.sent(), sys.readable(next.peer)]).toEqual([taken, 0, 0]);
  next.stream.destroy();
  sys.close(next.peer);
});

const QUIET_MS = 60;

/** A stream on a played socket, and its end. */
function played(parts: Partial<WireSys>) {
  const double = createWireDouble(parts);
  const stream = new Stream(double, 7, QUIET_MS);
  const received: number[] = [];
  stream.onReceived = (bytes) => void received.push(bytes);
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  const errors: unknown[] = [];
  stream.on("error", (error) => errors.push(error));
  return { double, stream, received, closed, errors };
}
const failure = new SystemError("read", 104, "fd 7");

test.each([
  ["can't be watched", "watch"],
  ["can't be read", "read"],
])("a stream that %s is destroyed with the error, and closes its descriptor", async (_, call) => {
  const fail = () => {
    throw failure;
  };
  const { double, stream, closed, errors } = played({ [call]: fail });
  stream.resume();
  await turn();
  if (call === "read") double.arrives("x");
  await closed;
  expect([errors, double.calls.at(-1)]).toEqual([[failure], "close 7"]);
});

test("a stream whose watch is lost is destroyed with the error", async () => {
  const { double, stream, closed, errors } = played({});
  stream.resume();
  await turn();
  double.lose(failure);
  await closed;
  expect([errors, double.calls]).toEqual([[failure], ["watch 7", "unwatch 7", "close 7"]]);
});

/** Reads "abc", then nothing, then the end of file. */
function readsToEnd(): WireSys["read"] {
  const reads = ["abc", ""];
  return (_fd, into) => {
    const next = reads.shift();
    return next === undefined ? 0 : next === "" ? -1 : Buffer.from(next).copy(into);
  };
}

test("a stream reports the bytes it has read, ignores a wake-up without any, and closes at end of file", async () => {
  const { double, stream, received, closed, errors } = played({ read: readsToEnd() });
  stream.resume();
  await turn();
  for (let count = 0; count < 3; count++) double.arrives("x");
  await closed;
  expect([received, errors, double.calls.at(-1)]).toEqual([[3], [], "close 7"]);
});

test("a stream closes at end of file even if nothing reads what arrived before", async () => {
  const { double, stream, closed } = played({ read: readsToEnd() });
  stream.on("data", () => undefined).pause();
  stream.read(0);
  await turn();
  for (let count = 0; count < 3; count++) double.arrives("x");
  await closed;
  expect(double.calls.at(-1)).toBe("close 7");
});

test("a closed stream has no listeners, which could keep the HTTP/2 session in memory", async () => {
  const { stream, closed } = played({});
  stream.on("data", () => undefined).on("end", () => undefined);
  stream.destroy();
  await closed;
  expect(stream.eventNames()).toEqual([]);
});

test("a full stream that nothing reads closes once it has been quiet and has nothing to write", async () => {
  const wrote: (() => void)[] = [];
  const poll = () => new Promise<void>((resolve) => wrote.push(resolve));
  let takes = 0;
  const write = (_fd: number, bytes: Uint8Array) => Math.min(bytes.length, takes);
  const { double, stream, closed } = played({ read: (_fd, into) => into.fill(0).length, poll, write });
  stream.read(0);
  await turn();
  stream.write("answer");
  for (let count = 0; count < 3; count++) double.arrives("x");
  await sleep(3 * QUIET_MS);
  expect(stream.destroyed).toBe(false);
  takes = 6;
  for (const resolve of wrote) resolve();
  await closed;
  expect(double.calls.at(-1)).toBe("close 7");
});

test("a stream whose reader is slow is not watched until it reads on", async () => {
  const { double, stream } = played({ read: (_fd, into) => into.fill(0).length });
  stream.read(0);
  await turn();
  for (let count = 0; count < 3; count++) double.arrives("x");
  expect(double.calls).toEqual(["watch 7", "unwatch 7"]);
  stream.resume();
  await turn();
  expect(double.calls.at(-1)).toBe("watch 7");
  stream.destroy();
});
