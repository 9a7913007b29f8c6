import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeStreamFrame, STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { createWireDouble } from "../testing/wire-double.ts";
import { FrameSocket } from "./frame-socket.ts";
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
  const got: StreamFrame[] = [];
  const taking: PromiseWithResolvers<void>[] = [];
  const take = (frame: StreamFrame) => {
    got.push(frame);
    return taking[got.length - 1]?.promise;
  };
  const frames = new FrameStream(new FrameSocket(sys, 7, false), { take, onError: () => frames.destroy() });
  const arrives = (bytes: Uint8Array) => {
    arrived = bytes;
    sys.arrives("");
  };
  const closed = () => sys.calls.includes("close 7");
  return { sys, frames, got, arrives, closed, limit, taking };
}

const ping = (offset: number) => encodeStreamFrame("ping", PROCESS, offset);

test("frames are taken as they arrive, until the peer ends its side", () => {
  const { frames, got, arrives, closed } = open();
  arrives(Buffer.concat([ping(1), ping(2)]));
  expect(got.map(({ offset }) => offset)).toEqual([1, 2]);
  expect(frames.signal.aborted).toBe(false);
  arrives(Buffer.alloc(0));
  expect([closed(), frames.signal.aborted]).toEqual([true, true]);
  expect(frames.signal.reason).toEqual(new Error("the connection is closed"));
});

test("of acknowledgements that arrive at once only the last of a stream is taken", () => {
  const { got, arrives } = open();
  const ack = (stream: number, offset: number) => encodeStreamFrame("ack", stream, offset);
  arrives(Buffer.concat([ack(OUT, 1), ack(OUT, 2), ack(2, 3), ack(OUT, 5), ack(OUT, 4), ping(9), ack(OUT, 5)]));
  expect(got.map(({ type, stream, offset }) => [type, stream, offset])).toEqual([
    ["ack", OUT, 2],
    ["ack", 2, 3],
    ["ack", OUT, 5],
    ["ack", OUT, 4],
    ["ping", PROCESS, 9],
    ["ack", OUT, 5],
  ]);
});

test("a client that leaves over 1 MiB unread is cut off", () => {
  const { frames, closed } = open(-1);
  for (let count = 0; count < 17; count++) frames.push("data", OUT, 0, PAYLOAD);
  expect(closed()).toBe(false);
  frames.push("pong", PROCESS, 0);
  expect(closed()).toBe(true);
  expect(frames.signal.aborted).toBe(true);
});

test("exactly 1 MiB may wait", () => {
  const { frames, closed } = open(-1);
  for (let count = 0; count < 16; count++) frames.push("data", OUT, 0, PAYLOAD);
  expect([frames.push("pong", PROCESS, 0), closed()]).toEqual([false, false]);
  frames.destroy();
});

test("a sender continues once the client has read", async () => {
  const { frames, sys, limit } = open(-1);
  const done = vi.fn();
  const sending = frames.send("data", OUT, 0, PAYLOAD).then(done);
  await expect.poll(() => sys.polled).toHaveLength(1);
  expect(done).not.toHaveBeenCalled();
  limit.most = Number.POSITIVE_INFINITY;
  sys.polled[0]?.resolve();
  await sending;
  frames.destroy();
});

test("a sender waits no longer than the connection lasts", async () => {
  const { frames, sys } = open(-1);
  const done = vi.fn();
  const sending = frames.send("data", OUT, 0, PAYLOAD).then(done);
  await expect.poll(() => sys.calls).toContain("poll 7");
  expect(done).not.toHaveBeenCalled();
  frames.destroy();
  await expect(sending).rejects.toThrow("the connection is closed");
  expect(frames.push("pong", PROCESS, 0)).toBe(true);
  const quick = open();
  await quick.frames.send("data", OUT, 0, PAYLOAD);
  quick.frames.destroy();
});

test("after the last frame nothing is sent or taken, and the connection closes after a second", () => {
  const { frames, sys, got, arrives, closed } = open();
  arrives(ping(1));
  expect(got).toHaveLength(1);
  frames.end();
  expect(frames.push("pong", PROCESS, 1)).toBe(true);
  arrives(ping(2));
  vi.advanceTimersByTime(999);
  expect([closed(), got.length]).toEqual([false, 1]);
  vi.advanceTimersByTime(1);
  expect([closed(), got.length, vi.getTimerCount()]).toEqual([true, 1, 0]);
  expect(sys.calls.filter((call) => call === "close 7")).toHaveLength(1);
});

test("a connection that closes within that second leaves no timer", () => {
  const { frames } = open();
  frames.end();
  frames.destroy();
  expect(vi.getTimerCount()).toBe(0);
});

test("a broken connection is closed", () => {
  const { frames, sys, closed } = open();
  expect(sys.calls).toContain("watch 7");
  sys.lose(new Error("EPERM"));
  expect([closed(), frames.signal.aborted]).toEqual([true, true]);
});

test("a frame waits until the one before is taken, and the client isn't read meanwhile", async () => {
  const { frames, sys, got, arrives, taking } = open();
  taking.push(Promise.withResolvers<void>());
  arrives(Buffer.concat([ping(1), ping(2)]));
  expect([got.length, sys.calls.at(-1)]).toEqual([1, "unwatch 7"]);
  expect(() => frames.release()).toThrow("the client sent data before it was answered");
  taking[0]?.resolve();
  await expect.poll(() => got.map(({ offset }) => offset)).toEqual([1, 2]);
  expect(sys.calls.at(-1)).toBe("watch 7");
  frames.destroy();
});

test("a released connection stays open, and is its new owner's", () => {
  const { frames, sys, closed, arrives, got } = open();
  expect(frames.release()).toBe(7);
  arrives(ping(1));
  expect([closed(), frames.isClosed, got.length, sys.calls.at(-1)]).toEqual([false, true, 0, "unwatch 7"]);
  frames.destroy();
  expect(closed()).toBe(false);
});
