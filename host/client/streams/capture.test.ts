import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, type FrameType, STREAM } from "../../../proto/stream-frame.ts";
import { type CaptureEvent, capturePackets } from "./capture.ts";
import { recordEnds } from "./pcap.ts";

const started = codec("guestd.v1.CaptureStarted", guestd.v1.CaptureStarted);
const captureInterface = codec("guestd.v1.CaptureInterface", guestd.v1.CaptureInterface);
const captureEnd = codec("guestd.v1.CaptureEnd", guestd.v1.CaptureEnd);

const frame = (type: FrameType, offset: number, payload?: Uint8Array) =>
  encodeStreamFrame(type, STREAM.process, offset, payload);
const begin = (snap_length = 100) => frame("captureStarted", 0, started.encode({ version: 1, snap_length }));
const end = (counts: object) => frame("captureEnd", 0, captureEnd.encode(counts));

const named = (name: string) => frame("captureInterface", 0, captureInterface.encode({ index: 2, name }));

/** Returns a record with these header fields and a body of `length` bytes. */
function record(length: number, { nanoseconds = 0, kept = length, original = length } = {}): Buffer {
  const bytes = Buffer.alloc(16 + length, 7);
  for (const [index, value] of [1, nanoseconds, kept, original].entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}

describe("records", () => {
  it("end where the next one begins", () => {
    expect(recordEnds(Buffer.concat([record(20), record(120), record(30, { original: 9000 })]), 100)).toEqual([
      36, 172, 218,
    ]);
    expect(recordEnds(Buffer.alloc(0), 100)).toEqual([]);
  });

  it.each<[string, Buffer]>([
    ["is cut off in its header", record(20).subarray(0, 10)],
    ["is cut off in its body", record(40).subarray(0, 50)],
    ["has no link header", record(40, { kept: 19 })],
    ["is longer than the snap length", record(121)],
    ["is longer than the packet on the wire", record(40, { original: 39 })],
    ["has no possible time", record(40, { nanoseconds: 1e9 })],
    ["says that it is endless", record(40, { kept: 0xffff_ffff, original: 0xffff_ffff })],
  ])("are refused if one %s", (_what, bytes) => {
    expect(recordEnds(Buffer.concat([record(20), bytes]), 100)).toBeUndefined();
  });
});

describe("a client that captures", () => {
  let folder: string;
  let server: Server;
  let answers: Buffer[];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "guestd-capture-"));
    answers = [];
    // Each connection gets the next answer, then its end.
    server = createServer((socket: Socket) => {
      socket.on("error", () => undefined).resume();
      socket.end(answers.shift() ?? Buffer.alloc(0));
    }).listen(join(folder, "s"));
    await once(server, "listening");
  });
  afterEach(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  async function events(...given: readonly Buffer[][]): Promise<CaptureEvent[]> {
    answers = given.map((frames) => Buffer.concat(frames));
    const all: CaptureEvent[] = [];
    for await (const event of capturePackets(`unix://${folder}/s`)) all.push(event);
    return all;
  }
  const types = (all: readonly CaptureEvent[]) => all.map(({ type }) => type);

  it("continues on another connection, and says so", async () => {
    const second = [begin(), frame("packets", 0, record(30)), end({ packets: 1, dropped: 3, reason: "it is over" })];
    const all = await events([begin(), frame("packets", 0, Buffer.concat([record(20), record(20)]))], second);
    expect(types(all)).toEqual(["started", "packets", "interrupted", "started", "packets", "end"]);
    expect(all.at(-1)).toEqual({ type: "end", dropped: 3, reason: "it is over" });
  });

  it.each<[string, Buffer[], string]>([
    ["bytes that are no packets", [begin(), frame("packets", 0, record(121))], "bytes that are no packets"],
    ["packets that are missing", [begin(), frame("packets", 1, record(20))], "packet 1 after 0 packets"],
    ["packets before it has started", [frame("packets", 0, record(20))], "packets before the start"],
    ["a long name", [begin(), named("x".repeat(91))], "an interface's name of 91 characters"],
    ["an end before it has started", [end({})], "an end before the start"],
    ["two starts", [begin(), begin()], "a second start"],
    ["an impossible snap length", [begin(65_501)], "a snap length of 65501 bytes"],
    ["a wrong count", [begin(), frame("packets", 0, record(20)), end({ packets: 2 })], "1 of 2 packets"],
  ])("fails if the agent sends %s", async (_what, frames, message) => {
    await expect(events(frames)).rejects.toThrow(`capture: the agent sent ${message}`);
  });

  it("fails, and doesn't connect again, if the agent breaks the protocol", async () => {
    await expect(events([begin(), Buffer.alloc(16, 255)])).rejects.toThrow("frame of type 255: the type is unknown");
  });

  it("escapes what the agent says", async () => {
    const all = await events([begin(), named("\u001b[2J"), end({ reason: "\u001b[2J\n" })]);
    expect(all[1]).toEqual({ type: "interface", index: 2, name: "\\u001b[2J" });
    expect(all.at(-1)).toMatchObject({ reason: "\\u001b[2J\\u000a" });
  });
});
