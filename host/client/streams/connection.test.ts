import { Duplex, duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { file } from "../../../image/testing/layers.ts";
import { packTar } from "../../../image/write-layout.ts";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, type FrameType, STREAM, StreamFrameParser } from "../../../proto/stream-frame.ts";
import type { dial } from "../dial.ts";
import { attach } from "./attachment.ts";
import { capturePackets } from "./capture.ts";
import { Connection } from "./connection.ts";
import { copyOutAsTar } from "./copy-out.ts";
import { readCore } from "./cores.ts";
import { readEvents } from "./events.ts";
import { readWatch } from "./watch.ts";

const { v1 } = guestd;
const epoch = Uint8Array.of(7);
const frame = (type: FrameType, offset = 0, payload?: Uint8Array, stream: number = STREAM.process) =>
  encodeStreamFrame(type, stream, offset, payload);
const text = (type: FrameType, offset: number, words: string, stream?: number) =>
  frame(type, offset, Buffer.from(words), stream);
const start = codec("guestd.v1.EventsStart", v1.EventsStart).encode({ epoch, first: 1, next: 1 });
const event = codec("guestd.v1.Event", v1.Event).encode({ type: 1, ms: 1, container_id: "web" });
const coreStart = codec("guestd.v1.CoreStart", v1.CoreStart).encode({ epoch, core: { id: 3, size: 4 } });
const update = codec("guestd.v1.WatchUpdate", v1.WatchUpdate).encode({ whole: true, micros: 1 });
const captureStarted = codec("guestd.v1.CaptureStarted", v1.CaptureStarted).encode({ version: 1, snap_length: 100 });
const named = codec("guestd.v1.CaptureInterface", v1.CaptureInterface).encode({ index: 2, name: "eth0" });
const captureEnd = codec("guestd.v1.CaptureEnd", v1.CaptureEnd).encode({ reason: "it is over" });
const ready = codec("guestd.v1.CopyReady", v1.CopyReady).encode({ version: 1, name: Buffer.from("log"), epoch });
const hello = codec("guestd.v1.Hello", v1.Hello).encode({ version: 1, epoch, stdout: { base: 0 }, stderr: {} });
const exit = codec("guestd.v1.Exit", v1.Exit).encode({ stdout: 4 });
const archive = await packTar([file("log", "x".repeat(8192))]);
const copyEnd = codec("guestd.v1.CopyEnd", v1.CopyEnd).encode({ version: 1 });

interface Client {
  /** The agent's frames before the client pauses, and those after. */
  readonly frames: readonly [before: readonly Buffer[], after: readonly Buffer[]];
  /** Reads everything; `take` is called for each part. */
  read(options: { readonly dial: typeof dial; readonly giveUpMs: number }, take: () => Promise<void>): Promise<unknown>;
}

async function takeAll(parts: AsyncIterable<unknown>, take: () => Promise<void>): Promise<void> {
  for await (const _ of parts) await take();
}

const clients: Record<string, Client> = {
  events: {
    frames: [
      [frame("eventsStart", 0, start), frame("event", 1, event)],
      [frame("event", 2, event), frame("eventsEnd", 3)],
    ],
    read: (options, take) => takeAll(readEvents("unix:///a", { ...options, since: 1, end: true }), take),
  },
  "a core dump": {
    frames: [
      [frame("coreStart", 0, coreStart), text("coreData", 0, "ab")],
      [text("coreData", 2, "cd"), frame("coreEnd", 4)],
    ],
    read: (options, take) => takeAll(readCore("unix:///a", 3, options), take),
  },
  "a guest's usage": {
    frames: [[frame("watchUpdate", 0, update)], [frame("watchUpdate", 0, update)]],
    async read(options, take) {
      let count = 0;
      for await (const _ of readWatch("unix:///a", options)) {
        await take();
        if (++count === 2) return;
      }
    },
  },
  packets: {
    frames: [
      [frame("captureStarted", 0, captureStarted)],
      [frame("captureInterface", 0, named), frame("captureEnd", 0, captureEnd)],
    ],
    read: (options, take) => takeAll(capturePackets("unix:///a", {}, options), take),
  },
  "a copy": {
    frames: [
      [frame("copyReady", 0, ready), frame("copyData", 0, archive.subarray(0, 2048))],
      [frame("copyData", 2048, archive.subarray(2048)), frame("copyEnd", archive.length, copyEnd)],
    ],
    read: (options, take) => copyOutAsTar("unix:///a", { container: "web", path: "/log" }, take, options),
  },
  "a process's output": {
    frames: [
      [frame("hello", 0, hello), text("data", 0, "ab", STREAM.stdout)],
      [text("data", 2, "cd", STREAM.stdout), frame("exit", 0, exit)],
    ],
    read: (options, take) => attach("unix:///a", { container: "web" }, { ...options, onData: take }).exit,
  },
};

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** Plays an agent that answers pings, unless it `isHung`. */
function playAgent(isHung: boolean, before: readonly Buffer[]) {
  const sides: Duplex[] = [];
  const connect = async () => {
    const [client, side] = duplexPair();
    sides.push(side);
    const parser = new StreamFrameParser("client");
    let isFirst = true;
    side.on("data", (chunk: Buffer) => {
      for (const { type, offset } of parser.push(chunk)) {
        if (isFirst) side.write(Buffer.concat(before));
        else if (type === "ping" && !isHung) side.write(frame("pong", offset));
        isFirst = false;
      }
    });
    return client;
  };
  return { sides, dial: connect as unknown as typeof dial };
}

/** Lets time pass in steps in which a ping can be answered. */
async function minutes(count: number): Promise<void> {
  for (let at = 0; at < count * 12; at++) {
    vi.advanceTimersByTime(5000);
    await turn();
    await turn();
  }
}

test.each(Object.entries(clients))("a reader of %s that pauses keeps its connection", async (_, client) => {
  const [before, after] = client.frames;
  const { sides, dial } = playAgent(false, before);
  const [paused, going] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let taken = 0;
  const reading = client.read({ dial, giveUpMs: 0 }, async () => {
    taken++;
    paused.resolve();
    await going.promise;
  });
  await paused.promise;
  await minutes(10);
  expect(sides.map(({ destroyed }) => destroyed)).toEqual([false]);
  sides[0]?.write(Buffer.concat(after));
  going.resolve();
  await reading;
  expect(sides).toHaveLength(1); // no other connection
  expect(taken).toBeGreaterThan(1);
});

test.each(Object.entries(clients))("an agent that hangs loses the reader of %s", async (_, client) => {
  const { sides, dial } = playAgent(true, client.frames[0]);
  const first = Promise.withResolvers<void>();
  client.read({ dial, giveUpMs: 0 }, async () => first.resolve()).catch(() => undefined);
  await first.promise;
  await turn();
  const closed = new Promise((resolve) => sides[0]?.once("close", resolve));
  await minutes(2);
  await closed;
});

/** Returns a connection to an agent that reads nothing. */
const unread = async () => new Duplex({ read: () => undefined, write: () => undefined });

test("answers wait for an agent that doesn't read up to 1 MiB, then its connection ends", async () => {
  const connection = await Connection.open("unix:///a", "watch", Buffer.of(1), { dial: unread });
  const ended = expect(connection.frames().next()).rejects.toMatchObject({
    ...{ kind: "cut", message: "the agent doesn't read what it asks for" },
  });
  let written = 0;
  for (; !connection.signal.aborted && written < 1 << 24; await turn()) {
    for (let count = 0; count < 1000; count++) connection.send("pong");
    written += 16_000;
  }
  expect(written).toBeLessThanOrEqual((1 << 20) + 32_000);
  await ended;
  connection.send("pong");
  connection[Symbol.dispose]();
});

test("a connection sends what it was given before it closes, but waits no longer than a second", async () => {
  for (const isReading of [true, false]) {
    const [client, side] = duplexPair();
    const connection = await Connection.open("unix:///a", "watch", Buffer.of(1), { dial: async () => client });
    connection.send("captureStop");
    const closed = new Promise((resolve) => client.once("close", resolve));
    const got = isReading ? side.toArray() : [];
    connection[Symbol.dispose]();
    await closed;
    expect(Buffer.concat((await got) as Buffer[])).toHaveLength(isReading ? 33 : 0);
  }
});
