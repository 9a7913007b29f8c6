import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { activity } from "../../kernel/activity.ts";
import { createForwardLedgerMemory, ForwardLedger } from "../../kernel/journal/forward-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import type { Pumping } from "../../kernel/sys/sys-descriptors.ts";
import type { ForwardSys } from "./forward-parts.ts";
import { Forwards } from "./forwards.ts";
import { plainProtocol as protocol } from "./testing/plain-protocol.ts";

const sys = openSys();
const ID = "00ff";

/** The agent's death: nothing that it would have done after it happens. */
class Killed extends Error {}

interface Kill {
  /** Number of the system call at which the agent dies. */
  readonly call: number;
  /** True if the kernel still does it. */
  readonly isDone: boolean;
  /** The agent also dies once it has moved so many bytes. */
  readonly bytes?: number;
}

/** The three connections of a forward, and everything that outlives the agent. */
class World implements Disposable {
  readonly #memory = createForwardLedgerMemory();
  /** The memory as a dead agent left it: what runs of it in this process after its death doesn't count. */
  #left: Uint8Array | undefined;
  readonly #deposits = new Map<string, Fd>();
  readonly #opened = new Set<Fd>();
  readonly #dying: (() => void)[] = [];
  #isOver = false;
  /** Ends of the client and of the target. */
  readonly upload: Fd;
  readonly download: Fd;
  readonly target: Fd;

  constructor() {
    const pairs = [this.#pair(), this.#pair(), this.#pair()] as const;
    [this.upload, this.download, this.target] = [pairs[0][0], pairs[1][0], pairs[2][0]];
    const first = this.#agent();
    const [upload, download, target] = pairs.map(([, ours]) => ours);
    if (upload === undefined || download === undefined || target === undefined) throw new Error("three pairs");
    first.forwards.open(ID, upload, target, () => undefined);
    first.forwards.join(ID, download, Buffer.alloc(0));
    first.die();
  }

  /** Starts the next agent. `died` resolves when it dies. */
  #agent(kill: Kill = { call: Number.POSITIVE_INFINITY, isDone: false }) {
    const memory = new Uint8Array(this.#memory);
    memory.set(this.#left ?? memory);
    this.#left = undefined;
    let left = kill.call;
    const died = Promise.withResolvers<void>();
    const pumps: Pumping[] = [];
    const die = () => {
      for (const pump of pumps) pump.close();
      this.#left ??= memory.slice();
      left = 0;
      died.resolve();
    };
    this.#dying.push(die);
    /** True if the call is the agent's own, false after its death; at its death the kernel may still do it. */
    const isAlive = (call: () => unknown) => {
      if (left <= 0) return false;
      if (--left > 0) return true;
      if (kill.isDone) call();
      die();
      return false;
    };
    const counted =
      <Args extends unknown[], Result>(real: (...args: Args) => Result) =>
      (...args: Args): Result => {
        if (!isAlive(() => real(...args))) throw new Killed();
        return real(...args);
      };
    const ended =
      (real: (fd: Fd) => void) =>
      (fd: Fd): undefined => {
        if (isAlive(() => real(fd))) real(fd);
      };
    const dying: ForwardSys = {
      ...{
        poll: sys.poll,
        pipe: sys.pipe,
        isVsock: sys.isVsock,
        pump: counted((options, onEnd) => {
          const pump = sys.pump(options, (...end) => left > 0 && onEnd(...end));
          pumps.push(pump);
          return pump;
        }),
        readable: counted(sys.readable),
      },
      ...{ read: counted(sys.read), write: counted(sys.write), peek: counted(sys.peek) },
      ...{ endWriting: ended(sys.endWriting), endConnection: ended(sys.endConnection) },
      ...{ resetOnClose: ended(sys.resetOnClose), close: ended(sys.close) },
    };
    const found = [...this.#deposits].map(([name, fd]) => [name, this.#owned(sys.dup(fd))] as const);
    const init = {
      greeting: { deposits: new Map(found) } as never,
      deposit: (name: string, fd: Fd) => void (left > 0 && this.#deposits.set(name, this.#owned(sys.dup(fd)))),
      withdraw: (name: string) => void (left > 0 && this.#deposits.delete(name)),
    };
    const ledger = new ForwardLedger(this.#memory);
    const base = { sys: dying, init, ledger, protocol };
    const movedAll = () => ledger.moved(0, 0) + ledger.moved(0, 1);
    const most = movedAll() + (kill.bytes ?? Number.POSITIVE_INFINITY);
    const look = () => {
      if (left <= 0) return;
      if (movedAll() >= most) die();
      else setImmediate(look);
    };
    if (kill.bytes !== undefined) setImmediate(look);
    return { forwards: new Forwards(base), died: died.promise, die };
  }

  /** Runs agents until the last one, which is not killed. */
  async run(kills: readonly Kill[]): Promise<void> {
    for (const kill of kills) {
      try {
        await this.#agent(kill).died;
      } catch (error) {
        if (!(error instanceof Killed)) throw error; // in the constructor
      }
      if (this.#isOver) return;
    }
    this.#agent();
  }

  #pair(): readonly [Fd, Fd] {
    const [theirs, ours] = sys.socketPair("stream");
    for (const fd of [theirs, ours]) sys.setNonBlocking(this.#owned(fd));
    return [theirs, ours];
  }

  #owned(fd: Fd): Fd {
    this.#opened.add(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const die of this.#dying) die();
    for (const fd of this.#opened) {
      try {
        sys.close(fd);
      } catch {
        // An agent has closed it.
      }
    }
  }
}

const bytesOf = (length: number, seed: number) =>
  Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8) + seed) & 0xff));

async function send(fd: Fd, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const written = sys.write(fd, bytes.subarray(at, at + 9000));
    if (written < 0) await sys.poll(fd, "write");
    else at += written;
    await new Promise(setImmediate);
  }
}

async function receive(fd: Fd, isEnd: (length: number) => boolean): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let length = 0; !isEnd(length); ) {
    const piece = Buffer.alloc(65_536);
    const count = sys.read(fd, piece);
    if (count === 0) break;
    if (count < 0) await sys.poll(fd, "read");
    else pieces.push(piece.subarray(0, count));
    length += Math.max(count, 0);
  }
  return Buffer.concat(pieces);
}

describe("a forwarded connection whose agents are killed at any system call", () => {
  const aKill: fc.Arbitrary<Kill> = fc.record(
    { call: fc.integer({ min: 1, max: 30 }), isDone: fc.boolean(), bytes: fc.integer({ min: 1, max: 100_000 }) },
    { requiredKeys: ["call", "isDone"] },
  );
  const lengths = fc.nat(150_000);

  test("delivers every byte once, both ways, and the end of each direction", async () => {
    await fc.assert(
      fc.asyncProperty(lengths, lengths, fc.array(aKill, { maxLength: 6 }), async (up, down, kills) => {
        using world = new World();
        const ended = Promise.withResolvers<unknown>();
        activity.subscribe(ended.resolve);
        const [sent, answered] = [bytesOf(up, 1), bytesOf(down, 2)];
        const client = (async () => {
          await send(world.upload, sent);
          await send(world.download, Buffer.from(protocol.finish(up)));
        })();
        const target = send(world.target, answered).then(() => sys.endWriting(world.target));
        void world.run(kills);
        const [got, gotBack, total] = await Promise.all([
          receive(world.target, () => false),
          receive(world.download, (length) => length === down),
          receive(world.upload, (length) => length >= 8),
          client,
          target,
        ]);
        expect(got.equals(sent) && gotBack.equals(answered)).toBe(true);
        expect(protocol.readFinish(total)).toBe(down);
        await ended.promise;
        activity.unsubscribe(ended.resolve);
      }),
      { numRuns: 60 },
    );
  }, 30_000);
});

describe("a forwarded connection that is being opened", () => {
  const ANSWER = Buffer.from("forwarded:");
  /** Two pipes, the answer, and five deposits. */
  const CALLS = 8;
  const births = Array.from({ length: CALLS }, (_, at) => at + 1).flatMap((call) => [
    { call, isDone: false },
    { call, isDone: true },
  ]);

  test.each(births)(
    "is cut, or answered once and complete, if its agent dies at call $call (done: $isDone)",
    async (kill) => {
      using opened = new DisposableStack();
      const own = (fd: Fd) => opened.adopt(fd, sys.close);
      const pair = () => {
        const ends = sys.socketPair("stream");
        for (const fd of ends) sys.setNonBlocking(fd);
        return [own(ends[0]), ends[1]] as const;
      };
      const [[upload, ourUpload], [download, ourDownload], [target, ourTarget]] = [pair(), pair(), pair()];
      const deposits = new Map<string, Fd>();
      const memory = createForwardLedgerMemory();
      let left = kill.call;
      const counted =
        <Args extends unknown[], Result>(real: (...args: Args) => Result) =>
        (...args: Args): Result => {
          if (--left > 0) return real(...args);
          if (left === 0 && kill.isDone) real(...args);
          throw new Killed();
        };
      const deposit = (name: string, fd: Fd) => void deposits.set(name, sys.dup(fd));
      const ledger = new ForwardLedger(memory);
      const dying = { ...sys, pipe: counted(sys.pipe), write: counted(sys.write), close: () => undefined };
      const init = { greeting: { deposits } as never, deposit: counted(deposit), withdraw: () => undefined };
      const first = new Forwards({ sys: dying, init, ledger, protocol });
      first.open(ID, ourUpload, ourTarget, () => undefined);
      expect(() => first.join(ID, ourDownload, ANSWER)).toThrow(Killed);
      for (const fd of [ourUpload, ourDownload, ourTarget]) sys.close(fd); // as the kernel does at its death
      const next = { ...init, deposit, withdraw: (name: string) => void deposits.delete(name) };
      new Forwards({ sys, init: next, ledger: new ForwardLedger(memory), protocol });

      await send(target, Buffer.from("data")).catch(() => undefined); // it may be closed
      tolerate(() => sys.endWriting(target));
      const isAll = (length: number) => length === ANSWER.length + 4;
      const received = await receive(download, isAll).catch(() => Buffer.alloc(0));
      if (received.length === 0) return;
      expect(String(received)).toBe("forwarded:data");
      expect(protocol.readFinish(await receive(upload, (length) => length >= 8))).toBe(4);
    },
    10_000,
  );
});

test("at most 32 KiB at a time are moved to vsock, and more to other sockets", async () => {
  using opened = new DisposableStack();
  const pairs = [0, 1, 2].map(() => sys.socketPair("stream"));
  for (const [theirs, ours] of pairs) {
    opened.adopt(theirs, sys.close);
    for (const fd of [theirs, ours]) sys.setNonBlocking(fd);
  }
  const [upload, download, target] = pairs;
  if (upload === undefined || download === undefined || target === undefined) throw new Error("three pairs");
  const sent = bytesOf(100_000, 3);
  for (const fd of [upload[0], target[0]]) expect(sys.write(fd, sent)).toBe(sent.length);
  const most = new Map<Fd, number>();
  const watched: ForwardSys = {
    ...sys,
    isVsock: (fd: Fd) => fd === download[1],
    pump(options, onEnd) {
      most.set(options.to, options.most);
      return sys.pump(options, onEnd);
    },
  };
  const init = { greeting: { deposits: new Map() } as never, deposit: () => undefined, withdraw: () => undefined };
  const ledger = new ForwardLedger(createForwardLedgerMemory());
  const forwards = new Forwards({ sys: watched, init, ledger, protocol });
  forwards.open(ID, upload[1], target[1], () => undefined);
  forwards.join(ID, download[1], Buffer.alloc(0));
  for (const fd of [download[0], target[0]]) {
    expect((await receive(fd, (length) => length === sent.length)).equals(sent)).toBe(true);
  }
  expect(most.get(download[1])).toBe(32_768);
  expect(most.get(target[1])).toBeGreaterThan(32_768);
  for (const [theirs] of pairs) sys.endConnection(theirs); // which ends the forward
  await expect.poll(() => forwards.size).toBe(0);
});

function tolerate(call: () => void): void {
  try {
    call();
  } catch {
    // The connection was cut.
  }
}
