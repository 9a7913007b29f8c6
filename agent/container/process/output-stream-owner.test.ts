import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { EarlierOutput } from "./output-owner.ts";
import { GRACE_MS } from "./output-source.ts";
import { OutputStream } from "./output-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
leavesNoDescriptors();
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  vi.useRealTimers();
});

/** An output, and a pipe into which its owner moves it. */
function open() {
  const [from, to] = [sys.pipe(), sys.pipe({ sizeBytes: 4096 })];
  for (const fd of [from.read, from.write, to.read, to.write]) sys.setNonBlocking(fd);
  const stream = new OutputStream(sys, from.read);
  const ends: boolean[] = [];
  stream.onEnd = (writersGone) => ends.push(writersGone);
  let isOpen = true;
  const hangUp = () => {
    if (isOpen) sys.close(from.write);
    isOpen = false;
  };
  cleanUps.push(() => {
    hangUp();
    stream.close();
    for (const fd of [to.read, to.write]) sys.close(fd);
  });
  const say = (text: string | Uint8Array) => sys.write(from.write, Buffer.from(text));
  const into = Buffer.alloc(65_536);
  const moved = () => into.toString("latin1", 0, Math.max(sys.read(to.read, into), 0));
  return { stream, say, hangUp, ends, to: to.write, moved };
}

/** Output that an owner has taken: the bytes "abcdef…" from `position` to `end`. */
function earlier(position: number, end: number) {
  const close = vi.fn();
  const output: EarlierOutput = {
    position,
    end,
    read(into) {
      into.set(Array.from(into, (_, at) => 97 + ((output.position + at) % 26)));
      output.position += into.length;
      return into.length;
    },
    close,
  };
  return { output, close };
}

const refusal = (kind: string, message: string) => expect.objectContaining({ kind, message });

describe("an owner of an output", () => {
  test("keeps calls from reading it, which it may allow", async () => {
    const { stream, say } = open();
    say("ab");
    stream.attach({ closed: () => undefined });
    expect(stream.isAttached).toBe(true);
    const message = "read output: clients attach to it; attach as well";
    await expect(stream.read(2, never)).rejects.toEqual(refusal("failed-precondition", message));
    stream.attach({ closed: () => undefined, called: () => stream.detach() });
    expect(String(await stream.read(2, never))).toBe("ab");
    expect(stream.isAttached).toBe(false);
  });

  test("can't begin while a call reads, holds or has returned output", async () => {
    const { stream, say } = open();
    stream.checkFree();
    const message = "attach: a call reads the output, or has not delivered all it has read";
    const busy = refusal("failed-precondition", message);
    const reading = stream.read(2, never);
    await new Promise(setImmediate);
    expect(() => stream.checkFree()).toThrow(busy);
    say("ab");
    const data = await reading;
    expect(() => stream.checkFree()).toThrow(busy);
    stream.unread(data);
    expect(() => stream.checkFree()).toThrow(busy);
    const again = await stream.read(2, never);
    stream.delivered(again);
    stream.delivered(again); // counts once
    expect(() => stream.checkFree()).not.toThrow();
  });

  test("is told before and after the output is closed by the process's removal", () => {
    const { stream } = open();
    const calls: unknown[] = [];
    const note = (what: string) => () => calls.push([what, stream.open]);
    stream.attach({ closing: note("closing"), closed: note("closed") });
    stream.onRemoved = note("removed");
    stream.close();
    expect(calls).toEqual([
      ["closing", true],
      ["closed", false],
      ["removed", false],
    ]);
    const message = "read: the process was removed";
    expect(() => stream.move(0, 1)).toThrow(refusal("not-found", message));
  });

  test("decides when an output at its end counts as ended", () => {
    const { stream, hangUp, to } = open();
    stream.attach({ closed: () => undefined });
    hangUp();
    stream.settle();
    expect([stream.open, stream.isComplete]).toEqual([true, true]);
    expect([stream.move(to, 9), stream.open, stream.ended]).toEqual([0, false, false]);
    stream.detach();
    expect(stream.ended).toBe(true);
  });

  test("can close it, which tells whether a process can still write", () => {
    const [one, other] = [open(), open()];
    one.hangUp();
    for (const { stream } of [one, other]) {
      stream.finish();
      stream.finish();
    }
    expect([one.ends, other.ends, one.stream.pipe]).toEqual([[true], [false], undefined]);
  });
});

describe("output that is moved into a pipe", () => {
  test("arrives in parts, until the end", () => {
    const { stream, say, hangUp, ends, to, moved } = open();
    expect([stream.move(to, 9), stream.isComplete]).toEqual([-1, false]);
    say("abcdef");
    expect([stream.waiting, stream.move(to, 4), moved()]).toEqual([6, 4, "abcd"]);
    hangUp();
    expect([stream.move(to, 9), moved(), ends]).toEqual([2, "ef", []]);
    expect([stream.move(to, 9), stream.move(to, 9), ends]).toEqual([0, 0, [true]]);
    expect([stream.waiting, stream.isComplete]).toEqual([0, true]);
  });

  test("waits while the pipe is full", () => {
    const { stream, say, to, moved } = open();
    say("x".repeat(5000));
    expect([stream.move(to, 4096), stream.move(to, 4096)]).toEqual([4096, -1]);
    expect(moved()).toHaveLength(4096);
    expect(stream.move(to, 4096)).toBe(904);
  });

  test("ends after the grace period with what was there, although a grandchild holds the pipe", () => {
    const { stream, say, ends, to, moved } = open();
    const onChange = vi.fn();
    stream.watch(onChange, () => undefined);
    say("abc");
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS - 1);
    expect([stream.isComplete, onChange.mock.calls.length]).toEqual([false, 0]);
    vi.advanceTimersByTime(1);
    expect([stream.isComplete, onChange.mock.calls.length]).toEqual([true, 1]);
    say("later");
    expect([stream.waiting, stream.move(to, 2), stream.waiting, moved()]).toEqual([3, 2, 1, "ab"]);
    expect([stream.move(to, 9), stream.move(to, 9), moved(), ends]).toEqual([1, 0, "c", [false]]);
  });

  test("ends at once after the grace period if there is none", () => {
    const { stream, ends, to } = open();
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS);
    expect([stream.open, stream.move(to, 9), ends]).toEqual([true, 0, [false]]);
  });

  test("that leaves the pipe otherwise counts as taken", () => {
    const { stream, say, to } = open();
    say("abcd");
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS);
    stream.dropped(3);
    expect([stream.waiting, stream.move(to, 9), stream.move(to, 9)]).toEqual([1, 1, 0]);
  });
});

describe("output that an owner takes", () => {
  const read = (most = 100) => {
    const into = Buffer.alloc(most);
    const got: string[] = [];
    const take = vi.fn((fd: number, room: number) => {
      const count = sys.read(fd, into.subarray(0, room));
      if (count > 0) got.push(String(into.subarray(0, count)));
      return count;
    });
    return { take, got };
  };

  test("is waited for, taken as far as there is room, and ends", async () => {
    const { stream, say, hangUp, ends } = open();
    const { take, got } = read();
    const taking = stream.take(take, 4, never);
    await new Promise(setImmediate);
    say("abcdef");
    expect([await taking, await stream.take(take, 4, never)]).toEqual([4, 2]);
    hangUp();
    expect([await stream.take(take, 4, never), await stream.take(take, 4, never)]).toEqual([0, 0]);
    expect([got, ends]).toEqual([["abcd", "ef"], [true]]);
  });

  test("that the owner has no room for is reported, not waited for", async () => {
    const { stream, say } = open();
    say("a");
    expect(await stream.take(() => -1, 4, never)).toBe(-1);
    const { stream: empty, say: print } = open();
    const waiting = empty.take(() => -1, 4, never);
    await new Promise(setImmediate);
    print("a");
    expect(await waiting).toBe(-1);
  });

  test("ends after the grace period with what was there", async () => {
    const { stream, say, ends } = open();
    const { take, got } = read();
    say("abc");
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS);
    say("later");
    expect([await stream.take(take, 2, never), await stream.take(take, 9, never)]).toEqual([2, 1]);
    expect([await stream.take(take, 9, never), got, ends]).toEqual([0, ["ab", "c"], [false]]);
  });

  test("is not taken for a signal that has aborted, nor after the process's removal", async () => {
    const { stream } = open();
    const { take } = read();
    await expect(stream.take(take, 9, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    const waiting = stream.take(take, 9, never);
    await new Promise(setImmediate);
    stream.close();
    await expect(waiting).rejects.toEqual(refusal("not-found", "read: the process was removed"));
  });

  test("may be taken completely before the pipe is closed; errors of the kernel are ignored there", () => {
    const { stream, say } = open();
    const { take, got } = read(2);
    say("abcde");
    stream.drain((fd, room) => {
      expect(room).toBe(1 << 20);
      return take(fd, 2);
    });
    expect([got, take.mock.calls.length]).toEqual([["ab", "cd", "e"], 4]);
    stream.drain(() => {
      throw new SystemError("splice", 12, "");
    });
    expect(() => stream.drain(() => JSON.parse("{"))).toThrow(SyntaxError);
    stream.close();
    const none = vi.fn(() => 1);
    stream.drain(none);
    expect(none).not.toHaveBeenCalled();
  });
});

describe("output that was taken before calls read it", () => {
  test("is read first, in pieces of 64 KiB, then what follows in the pipe", async () => {
    const { stream, say, hangUp } = open();
    const { output, close } = earlier(10, 10 + 65_536 + 3);
    stream.attach({ closed: () => undefined });
    stream.precede(output);
    expect([stream.isAttached, stream.ended]).toEqual([false, false]);
    say("pipe");
    hangUp();
    stream.settle();
    const read = async (length: number) => {
      const data = await stream.read(length, never);
      stream.delivered(data);
      return data;
    };
    expect(String(await read(2))).toBe("kl");
    expect(await read(1 << 20)).toHaveLength(65_536);
    const last = await read(9);
    expect([last, close.mock.calls.length]).toEqual([Buffer.of(97 + ((10 + 65_538) % 26)), 0]);
    expect(String(await read(9))).toBe("pipe");
    expect(close).toHaveBeenCalledOnce();
    expect([(await read(9)).length, stream.ended]).toEqual([0, true]);
  });

  test("keeps its order with answers that were not sent", async () => {
    const { stream, say } = open();
    stream.precede(earlier(0, 4).output);
    const [first, second] = [await stream.read(2, never), await stream.read(2, never)];
    say("pipe");
    const third = await stream.read(9, never);
    for (const answer of [third, first, second]) stream.unread(answer);
    const again = [await stream.read(9, never), await stream.read(9, never), await stream.read(9, never)];
    expect(again.map(String)).toEqual(["ab", "cd", "pipe"]);
  });

  test("begins after what calls have read", async () => {
    const { stream, say } = open();
    say("ab");
    await stream.read(2, never);
    const { output } = earlier(0, 4);
    stream.precede(output);
    expect(output.position).toBe(2);
    expect(String(await stream.read(9, never))).toBe("cd");
  });

  test("is closed with the process, and an empty request reads none of it", async () => {
    const { stream } = open();
    const { output, close } = earlier(0, 4);
    stream.precede(output);
    expect(await stream.read(0, never)).toHaveLength(0);
    stream.settle();
    stream.close();
    stream.close();
    expect([output.position, close.mock.calls.length]).toEqual([0, 1]);
  });
});

describe("a watch of an output", () => {
  test("reports output and its end until it is ended", async () => {
    const { stream, say, hangUp, to } = open();
    const onChange = vi.fn();
    const unwatch = stream.watch(onChange, () => undefined);
    say("a");
    await expect.poll(() => onChange.mock.calls.length).toBeGreaterThan(0);
    stream.move(to, 9);
    onChange.mockClear();
    hangUp();
    await expect.poll(() => onChange.mock.calls.length).toBeGreaterThan(0);
    unwatch();
    onChange.mockClear();
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS);
    expect(onChange).not.toHaveBeenCalled();
  });

  test("that was replaced leaves the later one", () => {
    const { stream } = open();
    const [first, second] = [vi.fn(), vi.fn()];
    const unwatchFirst = stream.watch(first, () => undefined);
    unwatchFirst();
    const unwatch = stream.watch(second, () => undefined);
    unwatchFirst();
    stream.processExited();
    vi.advanceTimersByTime(GRACE_MS);
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1]);
    unwatch();
  });

  test("of a closed output does nothing", () => {
    const stream = new OutputStream(sys, undefined);
    const onChange = vi.fn();
    stream.watch(onChange, () => undefined)();
    expect([stream.pipe, stream.waiting, stream.isComplete, stream.move(0, 1)]).toEqual([undefined, 0, true, 0]);
  });
});
