import fc from "fast-check";
import { expect, test } from "vitest";
import { O_DIRECTORY } from "../../kernel/constants.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { OutputStream } from "./output-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
leavesNoDescriptors();

function pipe(): { stream: OutputStream; say: (text: string) => void; hangUp: () => void } {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const say = (text: string) => void sys.write(write, Buffer.from(text));
  return { stream: new OutputStream(sys, read), say, hangUp: () => sys.close(write) };
}

const text = async (reading: Promise<Buffer>) => (await reading).toString();

test("a read returns the available output, at most the requested length", async () => {
  const { stream, say, hangUp } = pipe();
  say("abcdef");
  expect(await text(stream.read(4, never))).toBe("abcd");
  expect(await text(stream.read(4, never))).toBe("ef");
  hangUp();
  expect(await text(stream.read(4, never))).toBe("");
});

test("a read waits for output and returns it on arrival", async () => {
  const { stream, say, hangUp } = pipe();
  const reading = text(stream.read(10, never));
  setTimeout(() => say("late"), 10);
  expect(await reading).toBe("late");
  hangUp();
  stream.close();
});

test("a read returns all output of a terminal, up to the length, although the kernel returns 4 KiB at a time", async () => {
  const devpts = sys.openat2(0, "/dev/pts", O_DIRECTORY, 0);
  const master = sys.openTerminal(devpts);
  sys.setNonBlocking(master);
  const peer = sys.terminalPeer(master);
  const stream = new OutputStream(sys, master, true);
  for (let line = 0; line < 3; line++) sys.write(peer, Buffer.from("x".repeat(3000)));
  expect((await stream.read(8192, never)).length).toBe(8192);
  expect((await stream.read(8192, never)).length).toBe(808);
  for (const fd of [devpts, peer]) sys.close(fd);
  stream.close();
});

test("a stream ends once, and reports that no writer is left", async () => {
  const { stream, hangUp } = pipe();
  const ends: boolean[] = [];
  stream.onEnd = (writersGone) => ends.push(writersGone);
  hangUp();
  expect([await text(stream.read(1, never)), await text(stream.read(1, never))]).toEqual(["", ""]);
  expect([ends, stream.ended]).toEqual([[true], true]);
});

test("readers are served in the order of their calls", async () => {
  const { stream, say, hangUp } = pipe();
  const readers = [stream.read(2, never), stream.read(2, never), stream.read(2, never)];
  say("aabbcc");
  expect(await Promise.all(readers.map(text))).toEqual(["aa", "bb", "cc"]);
  hangUp();
  stream.close();
});

test("a cancelled reader consumes nothing, and the next one continues", async () => {
  const { stream, say, hangUp } = pipe();
  const patience = new AbortController();
  const first = stream.read(10, patience.signal);
  const second = stream.read(10, never);
  patience.abort(new Error("deadline"));
  await expect(first).rejects.toThrow("deadline");
  say("kept");
  expect(await text(second)).toBe("kept");
  hangUp();
  stream.close();
});

test("an unsent answer is read again, before everything else and in pieces of any size", async () => {
  const { stream, say, hangUp } = pipe();
  say("abcdef");
  stream.unread(await stream.read(4, never));
  hangUp();
  expect(await text(stream.read(3, never))).toBe("abc");
  expect(await text(stream.read(3, never))).toBe("d");
  expect(stream.ended).toBe(false);
  expect(await text(stream.read(3, never))).toBe("ef");
  expect(await text(stream.read(3, never))).toBe("");
});

test("unsent answers of several readers keep their order", async () => {
  const { stream, say, hangUp } = pipe();
  say("aabbcc");
  const answers = await Promise.all([stream.read(2, never), stream.read(2, never), stream.read(2, never)]);
  for (const answer of answers) stream.unread(answer);
  const again = [await stream.read(1, never), await stream.read(1, never), await stream.read(6, never)];
  for (const answer of again) stream.unread(answer);
  const rest = [await stream.read(6, never), await stream.read(6, never), await stream.read(6, never)];
  expect(rest.join("") + (await text(stream.read(6, never)))).toBe("aabbcc");
  hangUp();
  stream.close();
});

test("every byte is delivered once and in order, for any requests and unsent answers", async () => {
  // Each step sends several requests and gets the answers at once; a lost answer loses those behind it too.
  const step = fc.record({ lengths: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }), kept: fc.nat(4) });
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, maxLength: 300 }), fc.array(step), async (output, steps) => {
      const { stream, say, hangUp } = pipe();
      say(output);
      hangUp();
      const parts: Buffer[] = [];
      for (const { lengths, kept } of steps) {
        const answers = await Promise.all(lengths.map((length) => stream.read(length, never)));
        for (const [index, data] of answers.entries()) {
          expect(data.length).toBeLessThanOrEqual(lengths[index] ?? 0);
          if (index < kept) parts.push(data);
          else stream.unread(data);
        }
      }
      for (let data = await stream.read(64, never); data.length > 0; data = await stream.read(64, never)) {
        parts.push(data);
      }
      expect(Buffer.concat(parts).toString()).toBe(output);
    }),
    { numRuns: 100 },
  );
});

test("a reader that waits when the stream is removed gets an error that names the removal", async () => {
  const { stream, hangUp } = pipe();
  const reading = stream.read(1, never);
  await new Promise(setImmediate);
  stream.close();
  const removed = { kind: "not-found", message: "read: the process was removed" };
  await expect(reading).rejects.toMatchObject(removed);
  const { read: unused, write: into } = sys.pipe();
  await expect(stream.move(into, 1, never)).rejects.toMatchObject(removed);
  for (const fd of [unused, into]) sys.close(fd);
  hangUp();
});

test("clients attach only to an output of which no call has anything, and then calls can't read it", async () => {
  const { stream, say, hangUp } = pipe();
  const message = "attach: a call reads the output, or has not delivered all it has read";
  const busy = expect.objectContaining({ kind: "failed-precondition", message });
  stream.checkFree();
  const patience = new AbortController();
  const waiting = stream.read(1, patience.signal);
  await new Promise(setImmediate);
  expect(() => stream.checkFree()).toThrow(busy);
  patience.abort(new Error("deadline"));
  await expect(waiting).rejects.toThrow("deadline");
  stream.checkFree();
  say("ab");
  const [first, second] = [await stream.read(1, never), await stream.read(1, never)];
  expect(() => stream.checkFree()).toThrow(busy);
  stream.delivered(first);
  stream.delivered(first);
  expect(() => stream.checkFree()).toThrow(busy);
  stream.unread(second);
  expect(() => stream.checkFree()).toThrow(busy);
  stream.delivered(await stream.read(1, never));
  stream.checkFree();
  let closed = 0;
  stream.attach(() => closed++);
  await expect(stream.read(1, never)).rejects.toMatchObject({
    kind: "failed-precondition",
    message: "read output: clients attach to it; attach as well",
  });
  hangUp();
  stream.settle();
  expect([stream.open, stream.ended]).toEqual([true, false]);
  stream.close();
  expect([stream.ended, closed]).toEqual([false, 1]);
  stream.detach();
  stream.close();
  expect([stream.ended, closed]).toEqual([true, 1]);
});

test("output moves into a pipe, as much as it takes, up to the end", async () => {
  const { stream, say, hangUp } = pipe();
  const { read: from, write: into } = sys.pipe();
  for (const fd of [from, into]) sys.setNonBlocking(fd);
  const taken = () => sys.read(from, Buffer.alloc(65_536));
  const moving = stream.move(into, 2, never);
  await new Promise(setImmediate);
  say("abc");
  expect([await moving, await stream.move(into, 10, never), taken()]).toEqual([2, 1, 3]);
  sys.write(into, Buffer.alloc(65_536));
  say("d");
  expect([await stream.move(into, 10, never), taken()]).toEqual([-1, 65_536]);
  expect([await stream.move(into, 10, never), taken()]).toEqual([1, 1]);
  await expect(stream.move(into, 10, AbortSignal.abort(new Error("deadline")))).rejects.toThrow("deadline");
  const ends: boolean[] = [];
  stream.onEnd = (writersGone) => ends.push(writersGone);
  hangUp();
  expect([await stream.move(into, 10, never), await stream.move(into, 10, never), ends]).toEqual([0, 0, [true]]);
  for (const fd of [from, into]) sys.close(fd);
});

test("settling closes an empty pipe without writers, and keeps one with output", async () => {
  const [empty, full] = [pipe(), pipe()];
  full.say("x");
  for (const { stream, hangUp } of [empty, full]) {
    hangUp();
    stream.settle();
  }
  expect([empty.stream.ended, full.stream.ended]).toEqual([true, false]);
  expect(await text(full.stream.read(9, never))).toBe("x");
  full.stream.settle();
});

test("settling leaves the end to a reader that waits for it", async () => {
  const { stream, hangUp } = pipe();
  const reading = stream.read(1, never);
  await new Promise(setImmediate);
  hangUp();
  stream.settle();
  expect(await text(reading)).toBe("");
});
