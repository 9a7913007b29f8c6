import { constants } from "node:os";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { createLedgerMemory, KEY_BYTES, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys, type RealSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { ByteMover, type Framing } from "./byte-mover.ts";
import { KeptPipes } from "./kept-pipes.ts";
import "./testing/played-process.ts"; // opens /dev/null

leavesNoDescriptors();
const sys = openSys();
const opened: Fd[] = [];
afterEach(() => {
  for (const fd of opened.splice(0)) sys.close(fd);
});

/** A mover whose next system call fails as the test wants, and an output's pipe with some bytes. */
function open(text = "abcdef", ledger = new StreamLedger(createLedgerMemory())) {
  const failures = new Map<keyof RealSys, Error>();
  const failing = <Args extends unknown[], Result>(name: keyof RealSys, real: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      const failure = failures.get(name);
      failures.delete(name);
      if (failure !== undefined) throw failure;
      return real(...args);
    };
  };
  const parts = {
    ...sys,
    read: failing("read", sys.read),
    splice: failing("splice", sys.splice),
    sendFrames: failing("sendFrames", sys.sendFrames),
    pipe: (options: Parameters<typeof sys.pipe>[0]) => {
      const ends = sys.pipe(options);
      if ((options?.sizeBytes ?? 0) > 262_144) frames.push(ends.read, ends.write);
      return ends;
    },
  };
  const frames: Fd[] = [];
  const kernel = testKernel();
  const mover = new ByteMover(parts, new KeptPipes(kernel), ledger, () => undefined);
  opened.push(Number(kernel.init.calls[0]?.[2]));
  const pipe = sys.pipe();
  for (const fd of [pipe.read, pipe.write]) sys.setNonBlocking(fd);
  sys.write(pipe.write, Buffer.from(text));
  opened.push(pipe.read, pipe.write);
  return { mover, ledger, pipe, failures, frames };
}

const socket = () => {
  const [to, other] = sys.socketPair("stream");
  opened.push(to, other);
  for (const fd of [to, other]) sys.setNonBlocking(fd);
  const got = () => {
    const into = Buffer.alloc(1000);
    return into.toString("latin1", 0, Math.max(sys.read(other, into), 0));
  };
  return { to, got };
};
/** Frames of at most two bytes, whose header is their number. */
const framing: Framing = {
  most: 2,
  headers: (length) => Buffer.from(Array.from({ length: Math.ceil(length / 2) }, (_, at) => `<${at}>`).join("")),
};

describe("bytes in an output's pipe", () => {
  test("are copied after the first ones, with room before them, and stay", () => {
    const { mover, pipe } = open();
    expect(String(mover.copy(pipe.read, 2, 3))).toBe("cde");
    expect(mover.copy(pipe.read, 0, 100, 5)).toHaveLength(11);
    expect(String(mover.copy(pipe.read, 5, 100, 5).subarray(5))).toBe("f");
    expect([mover.copy(pipe.read, 6, 1).length, sys.readable(pipe.read)]).toEqual([0, 6]);
  });

  test("that were dropped don't come back if the kernel can't drop them at once", () => {
    const ledger = new StreamLedger(createLedgerMemory());
    const { mover, pipe, failures } = open("abcdef", ledger);
    const place = ledger.take(new Uint8Array(KEY_BYTES)) ?? -1;
    // The move into the mover's pipe succeeds, and the next one fails.
    vi.spyOn(ledger, "endMove").mockImplementationOnce(() => {
      ledger.endMove();
      failures.set("splice", new SystemError("splice", constants.errno.ENOMEM, "fd 1 to fd 2"));
    });
    mover.discard(place, 0, pipe.read, 2);
    expect(failures.size).toBe(0);
    expect([ledger.base(place, 0), String(mover.copy(pipe.read, 0, 9))]).toEqual([2, "cdef"]);
  });

  test("are copied as before after a copy that failed", () => {
    const { mover, pipe, failures } = open();
    failures.set("read", new Error("EIO"));
    expect(() => mover.copy(pipe.read, 0, 3)).toThrow("EIO");
    expect(String(mover.copy(pipe.read, 1, 3))).toBe("bcd");
  });

  test("are sent in frames, each after its header, and stay", () => {
    const { mover, pipe, frames } = open();
    const { to, got } = socket();
    expect([mover.send(pipe.read, 1, 2, to, framing), got()]).toEqual([[2, 5], "<0>bc"]);
    expect([mover.send(pipe.read, 1, 99, to, framing), got()]).toEqual([[5, 14], "<0>bc<1>de<2>f"]);
    expect([mover.send(pipe.read, 4, 99, to), got()]).toEqual([[2, 2], "ef"]);
    expect([mover.send(pipe.read, 6, 9, to, framing), got(), frames.length]).toEqual([[0, 0], "", 2]);
    expect(sys.readable(pipe.read)).toBe(6);
    opened.push(...frames);
  });

  test("are sent as before after a send that failed, by another pipe", () => {
    const { mover, pipe, frames, failures } = open();
    const { to, got } = socket();
    failures.set("sendFrames", new Error("EPIPE"));
    expect(() => mover.send(pipe.read, 0, 3, to, framing)).toThrow("EPIPE");
    expect([mover.send(pipe.read, 0, 2, to, framing), got(), frames.length]).toEqual([[2, 5], "<0>ab", 4]);
    opened.push(...frames.slice(2));
  });

  test("are dropped from its beginning, as many as there are", () => {
    const { mover, pipe, ledger } = open();
    mover.discard(3, 1, pipe.read, 2);
    expect([ledger.base(3, 1), ledger.base(3, 0), sys.readable(pipe.read), ledger.note]).toEqual([2, 0, 4, undefined]);
    mover.discard(3, 1, pipe.read, 9);
    expect([ledger.base(3, 1), sys.readable(pipe.read), ledger.note]).toEqual([6, 0, undefined]);
  });
});

describe("input", () => {
  test("moves as far as the process has room, and the position follows", () => {
    const { mover, ledger, pipe } = open("");
    const move = (from: Fd, length: number) => sys.splice(from, pipe.write, length);
    expect([mover.feed(3, Buffer.from("abc"), move), ledger.stdin(3), ledger.note]).toEqual([3, 3, undefined]);
    expect([mover.feed(3, Buffer.from("de"), () => -1), ledger.stdin(3)]).toEqual([-1, 3]);
    expect([mover.feed(3, Buffer.from("f"), move), ledger.stdin(3), sys.readable(pipe.read)]).toEqual([1, 4, 4]);
  });

  test("that the process refuses stays with the client", () => {
    const { mover, ledger, pipe } = open("");
    const refuse = () => {
      throw new Error("EPIPE");
    };
    expect(() => mover.feed(3, Buffer.from("abc"), refuse)).toThrow("EPIPE");
    expect([ledger.stdin(3), ledger.note]).toEqual([0, undefined]);
    mover.feed(3, Buffer.from("x"), (from, length) => sys.splice(from, pipe.write, length));
    expect(sys.readable(pipe.read)).toBe(1);
  });
});

test.each([
  ["discard", { base: 5, end: 0, stdin: 0 }],
  ["feed", { base: 0, end: 0, stdin: 12 }],
  ["fill", { base: 0, end: 0, stdin: 0 }],
  ["take", { base: 0, end: 0, stdin: 0 }],
  ["store", { base: 0, end: 0, stdin: 0 }],
] as const)("a %s that the previous agent had begun is completed by what is in the mover's pipe", (kind, expected) => {
  const ledger = new StreamLedger(createLedgerMemory());
  ledger.begin({ kind, place: 3, stream: 0, base: 5, count: 7 });
  const { mover, pipe } = open("abc", ledger);
  expect([ledger.base(3, 0), ledger.end(3, 0), ledger.stdin(3)]).toEqual([expected.base, expected.end, expected.stdin]);
  expect(ledger.note).toBeUndefined();
  expect(String(mover.copy(pipe.read, 0, 9))).toBe("abc");
});
