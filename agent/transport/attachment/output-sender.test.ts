import { beforeEach, expect, test, vi } from "vitest";
import { guestd } from "../../../proto/gen/messages.js";
import type { OutputWatcher } from "../../container/resumable/attached-output.ts";
import type { Attached } from "../../service/streams/attach.ts";
import type { Output } from "./frame-carrier.ts";
import type { FrameStream } from "./frame-stream.ts";
import { OutputSender, type SenderOptions } from "./output-sender.ts";

const OUT = 1;
const OWNER: SenderOptions = { isOwner: true, hasTimes: false };
const OBSERVER: SenderOptions = { isOwner: false, hasTimes: false };

/** An output from `base` to `end`, and a connection with room for `room` frames of output. */
function open(options: SenderOptions, parts: { base?: number; end?: number; isOver?: boolean } = {}) {
  const output = {
    ...{ base: 0, end: 0, isOver: false, gapReason: "they were dropped", ...parts },
    acknowledged: [] as number[],
    /** Times by the offset at which they begin. */
    times: new Map<number, number>(),
  };
  const watchers = new Set<OutputWatcher>();
  const attached = {
    get base() {
      return output.base;
    },
    get end() {
      return output.end;
    },
    get gapReason() {
      return output.gapReason;
    },
    acknowledge: (offset: number) => void output.acknowledged.push(offset),
    available: vi.fn((offset: number) => output.end - offset),
    isOver: (offset: number) => output.isOver && offset >= output.end,
    copy: (offset: number, most: number) => Buffer.from(`${offset}+${most}`),
    send: (): [number, number] => [0, 0],
    watch: (watcher: OutputWatcher) => void watchers.add(watcher),
    unwatch: (watcher: OutputWatcher) => void watchers.delete(watcher),
    timeAt(offset: number) {
      const begins = [...output.times.keys()];
      const at = begins.findLast((begin) => begin <= offset);
      const ms = at === undefined ? undefined : output.times.get(at);
      return ms === undefined ? undefined : { ms, to: begins.find((begin) => begin > offset) ?? 1e9 };
    },
  };
  const frames: unknown[][] = [];
  const connection = { isFull: false, room: 1e9, sentBy: undefined as Output | undefined };
  const stream = {
    get isFull() {
      return connection.isFull;
    },
    push(type: string, at: number, offset: number, payload?: Uint8Array) {
      const gap = type === "gap" && payload ? guestd.v1.Gap.decode(payload) : undefined;
      const time = type === "time" && payload ? guestd.v1.Time.decode(payload) : undefined;
      frames.push([type, at, offset, ...(gap ? [gap.to, gap.reason] : []), ...(time ? [time.ms] : [])]);
      return true;
    },
    pushOutput(at: number, offset: number, sent: Output, available: number) {
      connection.sentBy = sent;
      const length = Math.min(available, connection.room);
      if (length > 0) frames.push(["data", at, offset, length]);
      return length;
    },
  };
  const events = { onEnd: vi.fn(), onError: vi.fn() };
  const sender = new OutputSender(
    stream as unknown as FrameStream,
    attached as unknown as Attached["stdout"],
    OUT,
    events,
    options,
  );
  return { sender, output, attached, connection, frames, events, watchers };
}

let opened: ReturnType<typeof open>;
beforeEach(() => {
  opened = open(OWNER);
});

test("a frame has at most 32 KiB before the first acknowledgement, then everything there is", () => {
  const { sender, output, frames } = opened;
  output.end = 100_000;
  sender.start(0);
  expect(frames).toEqual([
    ["data", OUT, 0, 32_752],
    ["data", OUT, 32_752, 32_752],
    ["data", OUT, 65_504, 32_752],
    ["data", OUT, 98_256, 1744],
  ]);
  sender.acknowledge(5);
  output.end = 300_000;
  sender.pump();
  expect(frames.at(-1)).toEqual(["data", OUT, 100_000, 200_000]);
  expect(output.acknowledged).toEqual([0, 5]);
});

test("bytes that were not sent can't be acknowledged", () => {
  const { sender, output } = opened;
  output.end = 10;
  sender.start(0);
  expect(() => sender.acknowledge(11)).toThrow("acknowledge byte 11: only 10 bytes were sent");
  expect(output.acknowledged).toEqual([0]);
  sender.acknowledge(10);
  expect(output.acknowledged).toEqual([0, 10]);
});

test("an acknowledgement makes room for more output", () => {
  const { sender, output, frames } = opened;
  output.end = 10;
  sender.start(0);
  output.end = 12;
  sender.acknowledge(10);
  expect(frames.at(-1)).toEqual(["data", OUT, 10, 2]);
});

test("the end is sent once, when all output was", () => {
  const { sender, output, frames, events, watchers } = opened;
  output.end = 3;
  sender.start(0);
  expect([sender.isEnded, watchers.has(sender)]).toEqual([false, true]);
  output.isOver = true;
  sender.pump();
  sender.pump();
  expect(frames.slice(1)).toEqual([["eof", OUT, 3]]);
  expect([events.onEnd.mock.calls.length, sender.isEnded, watchers.size]).toEqual([1, true, 0]);
});

test("a full connection gets nothing until it has room", () => {
  const { sender, output, connection, frames, attached } = opened;
  connection.isFull = true;
  output.end = 3;
  sender.start(0);
  expect([frames, attached.available.mock.calls]).toEqual([[], []]);
  connection.isFull = false;
  connection.room = 0;
  sender.pump();
  expect([frames, attached.available.mock.calls.length]).toEqual([[], 1]);
  connection.room = 2;
  sender.pump();
  expect(frames).toEqual([
    ["data", OUT, 0, 2],
    ["data", OUT, 2, 1],
  ]);
});

test.each([OWNER, OBSERVER])("bytes that are gone leave a gap: %j", (options) => {
  const { sender, output, frames } = open(options, { base: 5, end: 8 });
  sender.start(2);
  expect(frames).toEqual([
    ["gap", OUT, 2, 5, "they were dropped"],
    ["data", OUT, 5, 3],
  ]);
  output.base = 20;
  output.end = 21;
  sender.pump();
  expect(frames.slice(2)).toEqual([
    ["gap", OUT, 8, 20, "they were dropped"],
    ["data", OUT, 20, 1],
  ]);
});

test("bytes that an owner has are passed over and acknowledged as they come, without frames", () => {
  const { sender, output, frames } = opened;
  output.end = 3;
  sender.start(10);
  expect([output.acknowledged, frames]).toEqual([[3], []]);
  output.end = 7;
  sender.pump();
  expect([output.acknowledged, frames]).toEqual([[3, 7], []]);
  output.end = 12;
  sender.pump();
  expect([output.acknowledged, frames]).toEqual([[3, 7, 10], [["data", OUT, 10, 2]]]);
});

test("bytes that an owner has may be dropped without a gap", () => {
  const { sender, output, frames } = opened;
  output.end = 3;
  sender.start(10);
  [output.base, output.end] = [6, 6];
  sender.pump();
  expect(frames).toEqual([]);
  [output.base, output.end] = [12, 13];
  sender.pump();
  expect(frames).toEqual([
    ["gap", OUT, 10, 12, "they were dropped"],
    ["data", OUT, 12, 1],
  ]);
});

test("an observer acknowledges nothing, begins where it wants, and gets copies", () => {
  const { sender, output, attached, connection, frames } = open(OBSERVER, { end: 5 });
  sender.start(8);
  expect([output.acknowledged, frames]).toEqual([[], []]);
  output.end = 9;
  sender.pump();
  expect([output.acknowledged, frames]).toEqual([[], [["data", OUT, 8, 1]]]);
  expect([connection.sentBy?.send, String(connection.sentBy?.copy(3, 4))]).toEqual([undefined, "3+4"]);
  const owner = open(OWNER, { end: 5 });
  owner.sender.start(0);
  expect(owner.connection.sentBy).toBe(owner.attached);
  expect(attached.send).toBeDefined();
});

test("times precede the bytes they belong to, once for each change", () => {
  const { sender, output, frames } = open({ isOwner: true, hasTimes: true }, { end: 6 });
  output.times = new Map([
    [0, 100],
    [2, 200],
    [4, 200],
  ]);
  sender.start(0);
  expect(frames).toEqual([
    ["time", OUT, 0, 100],
    ["data", OUT, 0, 2],
    ["time", OUT, 2, 200],
    ["data", OUT, 2, 2],
    ["data", OUT, 4, 2],
  ]);
  output.times.set(6, 300);
  output.end = 7;
  sender.pump();
  expect(frames.slice(5)).toEqual([
    ["time", OUT, 6, 300],
    ["data", OUT, 6, 1],
  ]);
});

test("a client that doesn't want times gets none, and output without times has none", () => {
  const { sender, output, frames } = opened;
  output.times = new Map([[0, 100]]);
  output.end = 1;
  sender.start(0);
  expect(frames).toEqual([["data", OUT, 0, 1]]);
  const without = open({ isOwner: true, hasTimes: true }, { end: 1 });
  without.sender.start(0);
  expect(without.frames).toEqual([["data", OUT, 0, 1]]);
});

test("nothing is sent after the sender was closed", () => {
  const { sender, output, frames, watchers } = opened;
  sender.start(0);
  sender.close();
  output.end = 3;
  sender.pump();
  expect([frames, watchers.size]).toEqual([[], 0]);
});

test("errors are reported, those of the output and of a lost watch, and the sender can go on", () => {
  const { sender, output, attached, events, frames } = opened;
  sender.start(0);
  const error = new Error("read: the output was closed");
  attached.available.mockImplementationOnce(() => {
    throw error;
  });
  sender.pump();
  expect(events.onError.mock.calls).toEqual([[error]]);
  output.end = 1;
  sender.pump();
  expect(frames).toEqual([["data", OUT, 0, 1]]);
  sender.onLost("lost");
  expect(events.onError.mock.calls[1]).toEqual(["lost"]);
});

test("output that changes while it is sent isn't sent twice", () => {
  const { sender, output, attached, frames } = opened;
  attached.available.mockImplementation((offset) => {
    sender.pump(); // as a watcher would be called
    return output.end - offset;
  });
  output.end = 2;
  sender.start(0);
  expect(frames).toEqual([["data", OUT, 0, 2]]);
});

test("looks again if there is more than was available a moment before", () => {
  const { sender, output, attached, frames } = opened;
  sender.start(0);
  output.end = 2;
  attached.available.mockReturnValueOnce(0);
  sender.pump();
  expect(frames).toEqual([["data", OUT, 0, 2]]);
});
