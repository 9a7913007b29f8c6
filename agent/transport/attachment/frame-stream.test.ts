import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeStreamFrame, STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { createWireDouble } from "../testing/wire-double.ts";
import { WireStream } from "../wire-stream.ts";
import { FrameStream } from "./frame-stream.ts";

const { stdout: OUT, process: PROCESS } = STREAM;
const PAYLOAD = Buffer.alloc(65_520);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Frames of a connection that takes `most` bytes at a time; -1 if its peer reads nothing. */
function open(most = Number.POSITIVE_INFINITY) {
  let arrived: Uint8Array | undefined;
  const limit = { most };
  const write = (_fd: number, bytes: Uint8Array) => Math.min(bytes.length, limit.most);
  const read = (_fd: number, into: Uint8Array) => {
    const bytes = arrived;
    arrived = undefined;
    if (bytes !== undefined) into.set(bytes);
    return bytes?.length ?? -1;
  };
  const sys = createWireDouble({ write, read });
  const frames = new FrameStream(new WireStream(sys, 7));
  const got: StreamFrame[] = [];
  const reading = (async () => {
    for await (const frame of frames.frames()) got.push(frame);
  })();
  reading.catch(() => undefined); // a test that cares awaits it
  const arrives = (bytes: Uint8Array) => {
    arrived = bytes;
    sys.arrives("");
  };
  const closed = () => sys.calls.includes("close 7");
  return { sys, frames, got, reading, arrives, closed, limit };
}

const ping = (offset: number) => encodeStreamFrame("ping", PROCESS, offset);

test("frames are yielded as they arrive, until the peer ends its side", async () => {
  const { frames, got, reading, arrives } = open();
  await vi.waitFor(() => arrives(Buffer.concat([ping(1), ping(2)])));
  await vi.waitFor(() => expect(got.map(({ offset }) => offset)).toEqual([1, 2]));
  arrives(Buffer.alloc(0));
  await reading;
  expect(frames.signal.aborted).toBe(false);
  frames.destroy();
  await vi.waitFor(() => expect(frames.signal.aborted).toBe(true));
  expect(frames.signal.reason).toEqual(new Error("the connection is closed"));
});

test("a client that leaves over 1 MiB unread is cut off", async () => {
  const { frames, reading, closed } = open(-1);
  for (let count = 0; count < 17; count++) frames.push("data", OUT, 0, PAYLOAD);
  expect(closed()).toBe(false);
  frames.push("pong", PROCESS, 0);
  expect(closed()).toBe(true);
  await expect(reading).rejects.toThrow("Premature close");
  expect(frames.signal.aborted).toBe(true);
});

test("exactly 1 MiB may wait", async () => {
  const { frames, closed, reading } = open(-1);
  for (let count = 0; count < 16; count++) frames.push("data", OUT, 0, PAYLOAD);
  expect([frames.push("pong", PROCESS, 0), closed()]).toEqual([false, false]);
  frames.destroy();
  await expect(reading).rejects.toThrow("Premature close");
});

test("a sender continues once the client has read", async () => {
  const { frames, sys, limit } = open(-1);
  const done = vi.fn();
  const sending = frames.send("data", OUT, 0, PAYLOAD).then(done);
  await vi.waitFor(() => expect(sys.polled).toHaveLength(1));
  expect(done).not.toHaveBeenCalled();
  limit.most = Number.POSITIVE_INFINITY;
  sys.polled[0]?.resolve();
  await sending;
  frames.destroy();
});

test("a sender waits no longer than the connection lasts", async () => {
  const { frames, sys, reading } = open(-1);
  const done = vi.fn();
  const sending = frames.send("data", OUT, 0, PAYLOAD).then(done);
  await vi.waitFor(() => expect(sys.calls).toContain("poll 7"));
  expect(done).not.toHaveBeenCalled();
  frames.destroy();
  await expect(sending).rejects.toThrow("the connection is closed");
  await expect(reading).rejects.toThrow("Premature close");
  expect(frames.push("pong", PROCESS, 0)).toBe(true);
  const quick = open();
  await quick.frames.send("data", OUT, 0, PAYLOAD);
  quick.frames.destroy();
  await expect(quick.reading).rejects.toThrow("Premature close");
});

test("after the last frame nothing is sent or yielded, and the connection closes after a second", async () => {
  const { frames, sys, got, reading, arrives, closed } = open();
  await vi.waitFor(() => arrives(ping(1)));
  await vi.waitFor(() => expect(got).toHaveLength(1));
  frames.end();
  expect(frames.push("pong", PROCESS, 1)).toBe(true);
  arrives(ping(2));
  vi.advanceTimersByTime(999);
  expect([closed(), got.length]).toEqual([false, 1]);
  vi.advanceTimersByTime(1);
  await expect(reading).rejects.toThrow("Premature close");
  expect([closed(), got.length, vi.getTimerCount()]).toEqual([true, 1, 0]);
  expect(sys.calls.filter((call) => call === "close 7")).toHaveLength(1);
});

test("a connection that closes within that second leaves no timer", async () => {
  const { frames, reading } = open();
  frames.end();
  frames.destroy();
  await expect(reading).rejects.toThrow("Premature close");
  expect(vi.getTimerCount()).toBe(0);
});

test("a broken connection is closed", async () => {
  const { frames, sys, reading } = open();
  await vi.waitFor(() => expect(sys.calls).toContain("watch 7"));
  sys.lose(new Error("EPERM"));
  await expect(reading).rejects.toThrow("EPERM");
  expect(frames.signal.aborted).toBe(true);
});
