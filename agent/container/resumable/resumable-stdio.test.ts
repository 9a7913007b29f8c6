import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { createLedgerMemory, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openSys, type RealSys } from "../../kernel/sys/sys.ts";
import { InputStream } from "../process/input-stream.ts";
import { OutputStream } from "../process/output-stream.ts";
import { ByteMover } from "./byte-mover.ts";
import { KeptPipes } from "./kept-pipes.ts";
import { ResumableInput } from "./resumable-input.ts";
import { ResumableOutput } from "./resumable-output.ts";
import { SPOOL_STEP_BYTES, SpoolFile } from "./spool-file.ts";
import { SpooledOutput } from "./spooled-output.ts";

const sys = openSys();
const NEVER = new AbortController().signal;

/** The agent's death: nothing that it would have done after it happens. */
class Killed extends Error {}

interface Kill {
  /** Number of the system call at which the agent dies. */
  readonly call: number;
  /** True if the kernel still does it. */
  readonly isDone: boolean;
}
const aKill: fc.Arbitrary<Kill> = fc.record({ call: fc.integer({ min: 1, max: 14 }), isDone: fc.boolean() });

/** System calls of an agent that dies, of which `onDeath` is told at once. */
function dying({ call, isDone }: Kill, onDeath: () => void): RealSys {
  let left = call;
  const counted =
    <Args extends unknown[]>(real: (...args: Args) => number) =>
    (...args: Args): number => {
      if (--left === 0 && isDone) real(...args);
      if (left === 0) onDeath();
      if (left <= 0) throw new Killed();
      return real(...args);
    };
  return {
    ...sys,
    ...{ splice: counted(sys.splice), spliceAt: counted(sys.spliceAt), tee: counted(sys.tee), read: counted(sys.read) },
    ...{ write: counted(sys.write), readable: counted(sys.readable), sendFrames: counted(sys.sendFrames) },
  };
}

let worlds = 0;

/** A process's pipe and everything that outlives the agent. */
class World implements Disposable {
  readonly pipe = sys.pipe();
  readonly #memory = createLedgerMemory();
  /** The memory as a dead agent left it: what runs of it in this process after its death doesn't count. */
  #left: Uint8Array | undefined;
  readonly #deposits = new Map<string, Fd>();
  readonly #opened: Fd[] = [];
  readonly #writers: Fd[] = [this.pipe.write];
  readonly #spool = join(tmpdir(), `guestd-spool-${process.pid}-${++worlds}`);

  constructor() {
    for (const fd of [this.pipe.read, this.pipe.write]) sys.setNonBlocking(this.#owned(fd));
    new StreamLedger(this.#memory).take(new Uint8Array(32));
  }

  /** Starts an agent, the next one after a death. Throws if it dies at once. */
  agent(kill?: Kill | null) {
    const memory = new Uint8Array(this.#memory);
    memory.set(this.#left ?? memory);
    this.#left = undefined;
    const living = kill ? dying(kill, () => (this.#left = memory.slice())) : sys;
    const of: RealSys = { ...living, pipe: (options) => this.#ownedPipe(living.pipe(options)) };
    const found = [...this.#deposits].map(([name, fd]) => [name, this.#owned(sys.dup(fd))] as const);
    const init = {
      greeting: { deposits: new Map(found) },
      deposit: (name: string, fd: Fd) => this.#deposits.set(name, this.#owned(sys.dup(this.#owned(fd)))),
    } as unknown as Kernel["init"];
    const pipes = new KeptPipes({ sys: of, init });
    const ledger = new StreamLedger(this.#memory);
    const parts = {
      sys: of,
      ledger,
      mover: new ByteMover(of, pipes, ledger, () => new SpoolFile(this.#spool)),
      place: 0,
    };
    const source = new OutputStream(of, this.#owned(sys.dup(this.pipe.read)));
    const writer = this.#owned(sys.dup(this.pipe.write));
    this.#writers.push(writer);
    const input = new InputStream(of, writer, false);
    return {
      output: (isKept: boolean) => new ResumableOutput(parts, 0, source, isKept ? pipes.open("7:0") : undefined),
      parts,
      file: () => new SpoolFile(this.#spool),
      input: new ResumableInput(parts, { input, closeInput: async () => undefined }),
    };
  }

  /** Closes the last writer, as the process's end does. */
  hangUp(): void {
    for (const fd of this.#writers.splice(0)) {
      this.#opened.splice(this.#opened.indexOf(fd), 1);
      sys.close(fd);
    }
  }

  /** A dead agent closes none of its pipes. */
  #ownedPipe<Ends extends { readonly read: Fd; readonly write: Fd }>(ends: Ends): Ends {
    this.#owned(ends.read);
    this.#owned(ends.write);
    return ends;
  }

  #owned(fd: Fd): Fd {
    this.#opened.push(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of new Set(this.#opened)) closeIfOpen(fd);
    rmSync(this.#spool, { force: true });
  }
}

/** Returns what arrives at the other end of a socket to which an output is sent. */
function sent(output: ResumableOutput, offset: number, most: number): Buffer {
  const [ours, theirs] = sys.socketPair("stream");
  try {
    const begin = (length: number) => `<${length}>`;
    const headers = (bytes: number) => Buffer.from(begin(bytes));
    const [length, count] = output.send(offset, most, ours, { most, headers });
    const into = Buffer.alloc(count + 1);
    const bytes = into.subarray(0, sys.read(theirs, into));
    const header = begin(length);
    expect([bytes.length, bytes.toString("latin1", 0, header.length)]).toEqual([count, header]);
    return bytes.subarray(header.length);
  } finally {
    sys.close(ours);
    sys.close(theirs);
  }
}

/** An output closes its descriptor at its end. */
function closeIfOpen(fd: Fd): void {
  try {
    sys.close(fd);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "EBADF")) throw error;
  }
}

/** Bytes from an offset on, each of which tells where it belongs. */
const bytesAt = (offset: number, length: number) =>
  Buffer.from(Array.from({ length }, (_, at) => ((offset + at) * 7 + ((offset + at) >> 8)) & 0xff));

function survive(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

describe("stdio of agents that are killed at any system call", () => {
  const step = fc.record({
    written: fc.nat(3000),
    isReading: fc.boolean(),
    acknowledged: fc.nat(3000),
    kill: fc.option(aKill, { freq: 3 }),
  });

  describe.each([
    ["in the process's own pipe", false],
    ["in a terminal's kept pipe", true],
  ])("with output %s", (_, isKept) => {
    test.each(["copied", "sent to a socket"])(
      "gives every byte of output once, in order and at its offset, %s",
      async (how) => {
        await fc.assert(
          fc.property(fc.array(step, { maxLength: 12 }), fc.nat(), (steps, most) => {
            using world = new World();
            let [written, received] = [0, 0];
            const read = (output: ResumableOutput) => {
              const available = output.available(received);
              expect(available).toBeGreaterThan(0);
              const bytes =
                how === "copied"
                  ? output.copy(received, available)
                  : sent(output, received, Math.ceil(available / (1 + (most % 4))));
              expect(bytes.equals(bytesAt(received, bytes.length))).toBe(true);
              received += bytes.length;
            };
            for (const { written: length, isReading, acknowledged, kill } of steps) {
              if (length > 0) written += Math.max(sys.write(world.pipe.write, bytesAt(written, length)), 0);
              survive(() => {
                const output = world.agent(kill).output(isKept);
                expect(output.base).toBeLessThanOrEqual(received);
                if (isReading && received < written) read(output);
                output.acknowledge(Math.min(received, output.base + acknowledged));
              });
            }
            const output = world.agent().output(isKept);
            while (received < written) read(output);
            expect([received, output.end]).toEqual([written, written]);
          }),
          { numRuns: 100 },
        );
      },
    );

    test("ends once the writers are gone and everything was available", () => {
      using world = new World();
      const output = world.agent().output(isKept);
      expect([output.available(0), output.isOver(0)]).toEqual([0, false]);
      sys.write(world.pipe.write, Buffer.from("abc"));
      world.hangUp();
      expect([output.isOver(0), output.available(0), output.isOver(3)]).toEqual([false, 3, true]);
      output.acknowledge(3);
      expect([output.available(3), output.isOver(3), output.end]).toEqual([0, true, 3]);
    });
  });

  test("keeps the last bytes of a spool exactly, and knows which are gone", () => {
    // The second agent dies while it completes the first one's move.
    const dyingTwice = { written: 1, kill: { call: 2, isDone: true } };
    const spool = fc.record({ written: fc.nat(30_000), kill: fc.option(aKill, { freq: 2 }) });
    fc.assert(
      fc.property(fc.array(spool, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), (steps, blocks) => {
        const keep = blocks * SPOOL_STEP_BYTES;
        using world = new World();
        const { ledger } = world.agent().parts;
        ledger.setCapacity(0, 0, keep);
        ledger.setMode(0, { kind: "ring", isHeld: false, keeper: "client" });
        let written = 0;
        const take = (kill: Kill | null) => {
          const { parts, file: open } = world.agent(kill);
          const file = open();
          try {
            for (let taken = 1; taken > 0; ) {
              file.grow(ledger.end(0, 0), keep);
              taken = parts.mover.store(0, 0, world.pipe.read, 65_536, file);
            }
          } finally {
            file.close();
          }
        };
        for (const { written: length, kill } of steps) {
          if (length > 0) written += Math.max(sys.write(world.pipe.write, bytesAt(written, length)), 0);
          survive(() => take(kill));
        }
        take(null);
        expect(ledger.end(0, 0)).toBe(written);
        expect(ledger.base(0, 0)).toBe(Math.max(written - keep, 0));
        const { parts, file } = world.agent();
        const output = new SpooledOutput(parts, 0, undefined, file(), undefined);
        for (let at = output.base; at < written; ) {
          const bytes = Buffer.from(output.copy(at, output.available(at)));
          expect(bytes.length).toBeGreaterThan(0);
          expect(bytes.equals(bytesAt(at, bytes.length))).toBe(true);
          at += bytes.length;
        }
        expect([output.available(written), output.isOver(written)]).toEqual([0, true]);
        if (written > keep) expect(output.base).toBe(written - keep);
        output.close();
      }),
      { numRuns: 100, examples: [[[dyingTwice, { ...dyingTwice, written: 0 }], 1]] },
    );
  });

  test("writes every byte of input once and in order, and knows how many", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aKill, { maxLength: 8 }), fc.integer({ min: 1, max: 5000 }), async (kills, length) => {
        using world = new World();
        const into = Buffer.alloc(65_536);
        let got = Buffer.alloc(0);
        for (const kill of [...kills, undefined]) {
          let input: ResumableInput | undefined;
          survive(() => {
            input = world.agent(kill).input;
          });
          // A killed write counts as refused here; only the next agent's position matters.
          if (input !== undefined) await input.write(bytesAt(input.written, length), NEVER);
          got = Buffer.concat([got, into.subarray(0, Math.max(sys.read(world.pipe.read, into), 0))]);
        }
        expect(world.agent().input.written).toBe(got.length);
        expect(got.equals(bytesAt(0, got.length))).toBe(true);
        expect(got.length).toBeGreaterThanOrEqual(length);
      }),
      { numRuns: 100 },
    );
  });

  test("holds no more than 16 MiB of input for all clients, and forgets that of those that leave", async () => {
    using world = new World();
    const { input } = world.agent();
    const listener = { onWritten: () => undefined, onRefused: () => undefined };
    await input.write(Buffer.alloc(65_536), NEVER); // fills the process's pipe
    const take = (signal: AbortSignal) => input.open(listener, signal).take(65_536, Buffer.alloc(65_536));
    for (let round = 0; round < 2; round++) {
      const leaving = new AbortController();
      for (let count = 0; count < 256; count++) take(leaving.signal);
      expect(() => take(leaving.signal)).toThrow("input at 65536: 16 MiB of input wait for processes that don't read");
      leaving.abort();
      await setImmediate();
    }
  });

  test("refuses to acknowledge what was not sent, and to send what was acknowledged", () => {
    using world = new World();
    sys.write(world.pipe.write, Buffer.from("abc"));
    const output = world.agent().output(false);
    expect(output.copy(0, output.available(0)).toString()).toBe("abc");
    expect(() => output.acknowledge(4)).toThrow("acknowledge byte 4: only 3 bytes were sent");
    output.acknowledge(2);
    expect([output.base, output.end, output.copy(2, 9).toString()]).toEqual([2, 3, "c"]);
    expect(() => output.copy(1, 9)).toThrow("send byte 1: it was acknowledged before it was sent");
  });

  test("does not end at the end of the window while a larger pipe holds more", () => {
    using world = new World();
    sys.resizePipe(world.pipe.write, 1 << 20);
    expect(sys.write(world.pipe.write, bytesAt(0, 300_000))).toBe(300_000);
    const output = world.agent().output(false);
    world.hangUp();
    expect([output.available(0), output.available(196_608), output.isOver(196_608)]).toEqual([196_608, 0, false]);
    output.acknowledge(196_608);
    expect([output.available(196_608), output.isOver(300_000)]).toEqual([300_000 - 196_608, true]);
  });

  test("keeps acknowledged bytes for observers while half of the pipe's pages are free", () => {
    using world = new World();
    const byte = sys.pipe();
    const output = world.agent().output(false);
    const leave = output.observe();
    const printPages = (count: number) => {
      for (let page = 0; page < count; page++) {
        sys.write(byte.write, Buffer.of(page));
        expect(sys.splice(byte.read, world.pipe.write, 1)).toBe(1); // takes a page of its own
      }
    };
    const acknowledged = () => {
      output.available(output.end); // looks for more
      output.acknowledge(output.end);
      return [output.base, output.acked, output.end];
    };
    printPages(16);
    expect(acknowledged()).toEqual([0, 16, 16]);
    printPages(16);
    expect(acknowledged()).toEqual([0, 32, 32]);
    expect(output.copy(0, 32).length).toBe(32);
    printPages(1);
    expect(acknowledged()).toEqual([33, 33, 33]);
    printPages(2);
    expect(acknowledged()).toEqual([33, 35, 35]);
    leave();
    expect([output.base, output.end]).toEqual([35, 35]);
    for (const fd of [byte.read, byte.write]) sys.close(fd);
  });

  test("gives a client that acknowledges a window of 192 KiB", () => {
    using world = new World();
    const fill = () => {
      let total = 0;
      for (let put = 0; put >= 0; total += Math.max(put, 0)) put = sys.write(world.pipe.write, Buffer.alloc(65_536));
      return total;
    };
    expect(fill()).toBe(65_536);
    const output = world.agent().output(false);
    expect(output.available(0)).toBe(65_536);
    output.acknowledge(4096);
    fill();
    expect(output.available(65_536)).toBe(196_608 - 65_536 + 4096);
  });
});
