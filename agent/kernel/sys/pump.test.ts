import { expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { openTwoWayPipe } from "../two-way-pipe.ts";
import { nativeAddon } from "./native-addon.ts";
import { openSys } from "./sys.ts";
import type { PumpMemory } from "./sys-descriptors.ts";

const addon = nativeAddon();
const sys = openSys(addon);
leavesNoDescriptors();

/** Two sockets, their peers, and a pipe whose one end is used for both directions. */
class Ends implements Disposable {
  readonly memory: PumpMemory = { note: new Float64Array(3), count: new Float64Array(1), at: 7 };
  readonly source: number;
  readonly from: number;
  readonly pipe: number;
  readonly to: number;
  readonly sink: number;
  readonly #open = new Set<number>();

  constructor() {
    const pair = () => {
      const ends = sys.socketPair("stream");
      for (const fd of ends) sys.setNonBlocking(this.#own(fd));
      return ends;
    };
    [this.source, this.from] = pair();
    [this.sink, this.to] = pair();
    this.pipe = this.#own(openTwoWayPipe(sys));
  }

  get options() {
    const { from, pipe, to, memory } = this;
    return { from, pipe, to, most: 65_536, memory };
  }

  close(fd: number): void {
    this.#open.delete(fd);
    sys.close(fd);
  }

  #own(fd: number): number {
    this.#open.add(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) sys.close(fd);
  }
}

/** Starts a pump. `ended` resolves with what its end reports. */
function start(ends: Ends, options = {}) {
  const ended = Promise.withResolvers<{ error: string | undefined; isSourceEnded: boolean }>();
  const pump = sys.pump({ ...ends.options, ...options }, (error, isSourceEnded) => {
    ended.resolve({ error: error?.message, isSourceEnded });
  });
  return { ...pump, ended: ended.promise };
}

/** Reads until the end, or `length` bytes. */
async function receive(fd: number, length = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let got = 0; got < length; ) {
    const piece = Buffer.alloc(100_000);
    const count = sys.read(fd, piece);
    if (count === 0) break;
    if (count < 0) await sys.poll(fd, "read");
    else pieces.push(piece.subarray(0, count));
    got += Math.max(count, 0);
  }
  return Buffer.concat(pieces);
}

async function send(fd: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const count = sys.write(fd, bytes.subarray(at));
    if (count < 0) await sys.poll(fd, "write");
    else at += count;
  }
}

const bytesOf = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 0xff));

test("everything moves in order, is counted, and the source's end is reported once the pipe is empty", async () => {
  using ends = new Ends();
  const sent = bytesOf(1_000_003);
  const pump = start(ends);
  void send(ends.source, sent).then(() => sys.endWriting(ends.source));
  const got = await receive(ends.sink, sent.length);
  expect(got.equals(sent)).toBe(true);
  expect(await pump.ended).toEqual({ error: undefined, isSourceEnded: true });
  expect([ends.memory.count[0], ...ends.memory.note]).toEqual([sent.length, 0, 7, expect.any(Number)]);
});

test("what the pipe has already goes first", async () => {
  using ends = new Ends();
  sys.write(ends.pipe, Buffer.from("before "));
  sys.write(ends.source, Buffer.from("after"));
  const pump = start(ends);
  expect(String(await receive(ends.sink, 12))).toBe("before after");
  pump.close();
});

test("it ends at a count that is given while it runs, or that was reached before", async () => {
  using ends = new Ends();
  const pump = start(ends);
  expect(pump.endAt(5)).toBe(false);
  sys.write(ends.source, Buffer.from("12345"));
  expect(await pump.ended).toEqual({ error: undefined, isSourceEnded: false });
  const next = start(ends);
  expect(next.endAt(5)).toBe(true);
  next.close();
});

test("a sink that hangs up ends it with one line at the next byte", async () => {
  using ends = new Ends();
  const pump = start(ends);
  ends.close(ends.sink);
  sys.write(ends.source, Buffer.from("x"));
  const { error } = await pump.ended;
  expect(error).toMatch(/^splice fd \d+ to fd \d+: EPIPE/);
});

test("a sink that isn't read holds back the source, and others are served meanwhile", async () => {
  using ends = new Ends();
  using others = new Ends();
  const sent = bytesOf(3_000_000);
  const pumps = [start(ends), start(others)];
  const sending = [send(ends.source, sent), send(others.source, sent)];
  expect((await receive(others.sink, sent.length)).equals(sent)).toBe(true);
  expect(ends.memory.count[0]).toBeLessThan(1_000_000);
  expect((await receive(ends.sink, sent.length)).equals(sent)).toBe(true);
  await Promise.all(sending);
  for (const pump of pumps) pump.close();
});

test("closing twice is fine, also after the end", async () => {
  using ends = new Ends();
  const pump = start(ends);
  sys.endWriting(ends.source);
  await pump.ended;
  pump.close();
  pump.close();
});

test("wrong arguments throw TypeError, and descriptors that are not sockets are refused", () => {
  using ends = new Ends();
  const { note, count } = ends.memory;
  const right: unknown[] = [[0, 1, 2], 1, note, count, 0, () => undefined];
  const wrong: unknown[][] = [
    [[0, 1], [0, 1, 2, 3], ["0"], 1],
    [0, 2 ** 21],
    [new Float64Array(2), [0, 0, 0]],
    [new Float32Array(1)],
    [-1],
    [1],
  ];
  const Pump = addon.Pump as unknown as new (...args: unknown[]) => unknown;
  for (const [index, values] of wrong.entries()) {
    for (const value of values) expect(() => new Pump(...right.with(index, value))).toThrow(TypeError);
  }
  expect(() => new Pump(...right, 0)).toThrow(TypeError);
  expect(() => (addon.Pump as unknown as () => void)()).toThrow("Pump must be called with new");
  expect(() => start(ends, { from: 9999 })).toThrow(/^splice fd 9999 to fd \d+: EBADF/);
});
