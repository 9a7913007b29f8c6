import { expect, onTestFinished, test, vi } from "vitest";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import type { Framing } from "../../container/resumable/byte-mover.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { createWireDouble } from "../testing/wire-double.ts";
import type { Output } from "./frame-carrier.ts";
import { FrameSocket } from "./frame-socket.ts";

const { stdout: OUT } = STREAM;
const HEADER = 16;
const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));
const bytesAt = (offset: number, length: number) => Buffer.from(Array.from({ length }, (_, at) => (offset + at) % 251));

/** A connection on descriptor 7, each of whose writes and splices takes at most the next of `room`; then everything. */
function open({ isSpliced = true } = {}) {
  const written: Buffer[] = [];
  const room: (number | Error)[] = [];
  const take = (bytes: Uint8Array) => {
    const most = room.shift() ?? bytes.length;
    if (most instanceof Error) throw most;
    if (most > 0) written.push(Buffer.from(bytes.subarray(0, most)));
    return most < 0 ? -1 : Math.min(most, bytes.length);
  };
  let arrived: Uint8Array | Error = Buffer.alloc(0);
  const read = (_fd: number, into: Uint8Array) => {
    if (arrived instanceof Error) throw arrived;
    into.set(arrived);
    return arrived.length;
  };
  const sys = createWireDouble({ write: (_fd, bytes) => take(bytes), read });
  const socket = new FrameSocket(sys, 7, isSpliced);
  const reader = { onBytes: vi.fn(), onRoom: vi.fn(), onClosed: vi.fn() };
  socket.reader = reader;
  const output = {
    copy: vi.fn((offset: number, most: number, before = 0) =>
      Buffer.concat([Buffer.alloc(before), bytesAt(offset, most)]),
    ),
    send: vi.fn((offset: number, length: number, _to: number, framing?: Framing): [number, number] => {
      const pieces: Uint8Array[] = [];
      const { most, headers } = framing ?? { most: length, headers: () => new Uint8Array() };
      const all = headers(length);
      const each = all.length / Math.ceil(length / most);
      for (let at = 0; at * most < length; at++) {
        const begin = at * most;
        pieces.push(all.subarray(at * each, (at + 1) * each), bytesAt(offset + begin, Math.min(most, length - begin)));
      }
      return [length, take(Buffer.concat(pieces))];
    }),
  } satisfies Output;
  const arrives = (bytes: Uint8Array | Error) => {
    arrived = bytes;
    sys.arrives("");
  };
  return { sys, socket, reader, output, room, arrives, sent: () => Buffer.concat(written.splice(0)), written };
}

const dataFrame = (offset: number, length: number) => encodeStreamFrame("data", OUT, offset, bytesAt(offset, length));
const hasRoom = async ({ sys }: ReturnType<typeof open>) => {
  sys.polled.shift()?.resolve();
  await nextTick();
};

test("frames of one turn are sent by one write", async () => {
  const { socket, written, sys } = open();
  socket.write(Buffer.from("ab"));
  socket.write(Buffer.from("cd"));
  expect([written.length, socket.unsent, socket.isFull]).toEqual([0, 4, false]);
  await nextTick();
  expect([String(written), socket.unsent]).toEqual(["abcd", 0]);
  socket.write(Buffer.from("e"));
  await nextTick();
  expect([String(written), sys.calls]).toEqual(["abcd,e", ["watch 7"]]);
});

test("frames that have no room wait in order, and the reader learns of room", async () => {
  const opened = open();
  const { socket, sent, room, sys, reader } = opened;
  room.push(1, -1);
  socket.write(Buffer.from("abc"));
  await nextTick();
  expect([String(sent()), socket.unsent, socket.isFull, sys.calls.at(-1)]).toEqual(["a", 2, true, "poll 7"]);
  socket.write(Buffer.from("de"));
  await nextTick();
  expect([String(sent()), sys.polled.length]).toEqual(["", 1]);
  await hasRoom(opened);
  expect([String(sent()), sys.polled.length, reader.onRoom.mock.calls.length]).toEqual(["", 1, 0]);
  await hasRoom(opened);
  expect([String(sent()), socket.isFull, socket.unsent, reader.onRoom.mock.calls.length]).toEqual([
    "bcde",
    false,
    0,
    1,
  ]);
});

test("64 KiB that wait make it full, a byte less doesn't, and sending them makes room", async () => {
  const { socket, reader } = open();
  socket.write(Buffer.alloc(65_535));
  expect(socket.isFull).toBe(false);
  socket.write(Buffer.alloc(1));
  expect([socket.isFull, socket.writeOutput(OUT, 0, open().output, 10)]).toEqual([true, 0]);
  await nextTick();
  expect([socket.isFull, reader.onRoom.mock.calls.length]).toEqual([false, 1]);
});

test("output of 4 KiB and more is sent at once within the kernel, after the frames before it, 64 KiB in each", () => {
  const { socket, sent, output } = open();
  socket.write(Buffer.from("first"));
  expect(socket.writeOutput(OUT, 3, output, 4096)).toBe(4096);
  expect(sent()).toEqual(Buffer.concat([Buffer.from("first"), dataFrame(3, 4096)]));
  expect(socket.writeOutput(OUT, 0, output, 100_000)).toBe(100_000);
  expect(sent()).toEqual(Buffer.concat([dataFrame(0, 65_536), dataFrame(65_536, 34_464)]));
  expect(socket.writeOutput(OUT, 7, output, 300_000)).toBe(196_608);
  expect([sent().length, output.send.mock.calls.length]).toEqual([196_608 + 3 * HEADER, 3]);
  expect(output.copy).not.toHaveBeenCalled();
});

test("less output is copied, and sent with the frames of the same turn", async () => {
  const { socket, written, output } = open();
  socket.write(Buffer.from("first"));
  expect(socket.writeOutput(OUT, 3, output, 4095)).toBe(4095);
  expect([written.length, output.send.mock.calls.length]).toEqual([0, 0]);
  await nextTick();
  expect(written).toEqual([Buffer.concat([Buffer.from("first"), dataFrame(3, 4095)])]);
});

test("on vsock, and without a pipe, output is copied, 32 KiB with the header at a time", () => {
  const vsock = open({ isSpliced: false });
  expect(vsock.socket.writeOutput(OUT, 0, vsock.output, 100_000)).toBe(32_752);
  expect([vsock.sent(), vsock.output.send.mock.calls]).toEqual([dataFrame(0, 32_752), []]);
  const { socket, output, sent } = open();
  expect(socket.writeOutput(OUT, 0, { copy: output.copy }, 5000)).toBe(5000);
  expect(sent()).toEqual(dataFrame(0, 5000));
});

test("the rest of a copied frame is sent before everything else", async () => {
  const opened = open({ isSpliced: false });
  const { socket, output, sent, room } = opened;
  room.push(20);
  expect(socket.writeOutput(OUT, 0, output, 5000)).toBe(5000);
  socket.write(Buffer.from("later"));
  expect([sent().length, socket.isFull, socket.unsent]).toEqual([20, true, 4996 + 5]);
  await hasRoom(opened);
  expect(sent()).toEqual(Buffer.concat([dataFrame(0, 5000).subarray(20), Buffer.from("later")]));
  room.push(-1);
  expect(socket.writeOutput(OUT, 0, output, 5000)).toBe(5000);
  expect(socket.unsent).toBe(5016);
});

test("nothing to copy is no frame", () => {
  const { socket, sent } = open();
  const output = { copy: (_offset: number, _most: number, room = 0) => Buffer.alloc(room) };
  expect([socket.writeOutput(OUT, 0, output, 5000), sent().length, socket.unsent]).toEqual([0, 0, 0]);
});

test("the rest of a frame in the kernel is sent from there, before other frames, however little has room", async () => {
  const opened = open();
  const { socket, output, sent, room } = opened;
  room.push(HEADER + 100);
  expect(socket.writeOutput(OUT, 10, output, 5000)).toBe(5000);
  socket.write(Buffer.from("later"));
  expect([socket.isFull, socket.writeOutput(OUT, 5010, output, 5000)]).toEqual([true, 0]);
  room.push(200, -1);
  await hasRoom(opened);
  expect(output.send.mock.lastCall).toEqual([110, 4900, 7]);
  await hasRoom(opened);
  expect(socket.isFull).toBe(true);
  await hasRoom(opened);
  expect(output.send.mock.lastCall).toEqual([310, 4700, 7]);
  expect(sent()).toEqual(Buffer.concat([dataFrame(10, 5000), Buffer.from("later")]));
  expect([socket.isFull, socket.unsent]).toEqual([false, 0]);
});

test.each([
  { took: 65_552 + HEADER + 100, begun: 100_000, rest: [65_636, 34_364] },
  { took: 65_552, begun: 65_536, rest: undefined },
  { took: HEADER, begun: 65_536, rest: [0, 65_536] },
])("of several frames those count that a socket took or began: %j", async ({ took, begun, rest }) => {
  const opened = open();
  const { socket, output, sent, room } = opened;
  room.push(took);
  expect([socket.writeOutput(OUT, 0, output, 100_000), socket.isFull]).toEqual([begun, true]);
  await hasRoom(opened);
  expect(output.send.mock.calls[1]).toEqual(rest && [...rest, 7]);
  expect([socket.isFull, sent()]).toEqual([
    false,
    Buffer.concat([dataFrame(0, 65_536), dataFrame(65_536, 34_464)]).subarray(
      0,
      begun + HEADER * Math.ceil(begun / 65_536),
    ),
  ]);
});

test("the rest is copied when the output may change, and counts as unsent", async () => {
  const opened = open();
  const { socket, output, sent, room } = opened;
  socket.settle();
  room.push(HEADER + 100);
  socket.writeOutput(OUT, 0, output, 5000);
  socket.write(Buffer.from("later"));
  socket.settle();
  expect([socket.unsent, output.copy.mock.calls]).toEqual([4905, [[100, 4900]]]);
  await hasRoom(opened);
  expect(sent()).toEqual(Buffer.concat([dataFrame(0, 5000), Buffer.from("later")]));
  expect([output.send.mock.calls.length, socket.unsent]).toEqual([1, 0]);
});

test("a frame that can't begin now is no frame, and the reader learns of room", async () => {
  const opened = open();
  const { socket, output, room, reader } = opened;
  room.push(-1);
  expect([socket.writeOutput(OUT, 0, output, 5000), socket.isFull]).toEqual([0, true]);
  await hasRoom(opened);
  expect([socket.isFull, reader.onRoom.mock.calls.length]).toEqual([false, 1]);
  output.send.mockReturnValueOnce([0, 0]);
  expect([socket.writeOutput(OUT, 0, output, 5000), socket.isFull]).toEqual([0, false]);
});

test.each<[string, (opened: ReturnType<typeof open>) => void | Promise<void>]>([
  [
    "half a header was sent",
    ({ socket, output, room }) => {
      room.push(15);
      expect(socket.writeOutput(OUT, 0, output, 5000)).toBe(0);
    },
  ],
  [
    "the peer is gone when output is sent",
    ({ socket, output, room }) => {
      room.push(new Error("EPIPE"));
      expect(socket.writeOutput(OUT, 0, output, 5000)).toBe(0);
    },
  ],
  [
    "the peer is gone when frames are sent",
    async ({ socket, room }) => {
      room.push(new Error("EPIPE"));
      socket.write(Buffer.from("a"));
      await nextTick();
    },
  ],
  [
    "the rest of a frame is gone",
    async (opened) => {
      opened.room.push(HEADER + 1);
      opened.socket.writeOutput(OUT, 0, opened.output, 5000);
      opened.output.send.mockReturnValueOnce([0, 0]);
      await hasRoom(opened);
    },
  ],
  [
    "the kernel refuses to wait for room",
    async ({ socket, room, sys }) => {
      room.push(-1);
      socket.write(Buffer.from("a"));
      await nextTick();
      sys.polled[0]?.reject(new Error("EPERM"));
      await nextTick();
      await nextTick();
    },
  ],
  ["the peer ends its side", ({ arrives }) => arrives(Buffer.alloc(0))],
  ["the peer resets the connection", ({ arrives }) => arrives(new Error("ECONNRESET"))],
  ["the kernel no longer watches it", ({ sys }) => sys.lose(new Error("EPERM"))],
  ["it is destroyed", ({ socket }) => socket.destroy()],
])("it is closed once, and its reader is told, if %s", async (_, fail) => {
  const opened = open();
  const { socket, sys, reader, output } = opened;
  await fail(opened);
  socket.destroy();
  expect(sys.calls.filter((call) => !call.startsWith("poll"))).toEqual(["watch 7", "unwatch 7", "close 7"]);
  expect(reader.onClosed).toHaveBeenCalledOnce();
  opened.sent();
  socket.write(Buffer.from("dropped"));
  await nextTick();
  socket.setPaused(false);
  expect([socket.unsent, opened.sent().length, socket.writeOutput(OUT, 0, output, 9)]).toEqual([0, 0, 0]);
  expect(sys.calls.filter((call) => call === "watch 7")).toHaveLength(1);
});

test("bytes are the reader's own, and none are read while it is paused", () => {
  const { socket, arrives, reader, sys } = open();
  arrives(Buffer.from("abc"));
  arrives(Buffer.from("xyz"));
  expect(reader.onBytes.mock.calls.map(String)).toEqual(["abc", "xyz"]);
  socket.setPaused(true);
  socket.setPaused(true);
  socket.setPaused(false);
  socket.setPaused(false);
  expect(sys.calls).toEqual(["watch 7", "unwatch 7", "watch 7"]);
});

test("a descriptor is given away once everything is sent, and only then", async () => {
  const { socket, room, sys, reader, sent } = open();
  room.push(1);
  socket.write(Buffer.from("ab"));
  expect(() => socket.release()).toThrow("the client doesn't read what it is sent");
  expect(String(sent())).toBe("a");
  sys.polled[0]?.resolve();
  await nextTick();
  expect([socket.release(), String(sent())]).toEqual([7, "b"]);
  socket.destroy();
  expect([sys.calls.at(-1), reader.onClosed.mock.calls.length]).toEqual(["unwatch 7", 1]);
});

test("a descriptor that the kernel refuses to watch is closed", () => {
  const refused = new Error("EPERM");
  const calls: string[] = [];
  const sys = createWireDouble({
    watch: () => {
      throw refused;
    },
    close: (fd) => void calls.push(`close ${fd}`),
    setNonBlocking: (fd) => void calls.push(`non-blocking ${fd}`),
  });
  expect(() => new FrameSocket(sys, 7, true)).toThrow(refused);
  expect(calls).toEqual(["non-blocking 7", "close 7"]);
});

test("a real connection to a slow client delivers every byte in order", async () => {
  const sys = openSys();
  const [ours, theirs] = sys.socketPair("stream");
  sys.setNonBlocking(theirs);
  const socket = new FrameSocket(sys, ours, true);
  onTestFinished(() => {
    socket.destroy();
    sys.close(theirs);
  });
  const sentFrames: Buffer[] = [];
  while (!socket.isFull) {
    const frame = dataFrame(sentFrames.length, 20_000);
    sentFrames.push(frame);
    socket.write(frame);
    await nextTick();
  }
  const got: Buffer[] = [];
  const into = Buffer.alloc(30_000);
  const want = Buffer.concat(sentFrames);
  for (let left = want.length; left > 0; ) {
    const count = sys.read(theirs, into);
    if (count > 0) got.push(Buffer.from(into.subarray(0, count)));
    left -= Math.max(count, 0);
    if (count < 0) await sys.poll(theirs, "read");
  }
  expect(Buffer.concat(got).equals(want)).toBe(true);
});
