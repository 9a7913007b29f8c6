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

/** Reads and delivers. */
async function text(stream: OutputStream, length = 9): Promise<string> {
  const data = await stream.read(length, never);
  stream.delivered(data);
  return data.toString();
}

test("a read returns the available output, at most the requested length", async () => {
  const { stream, say, hangUp } = pipe();
  say("abcdef");
  expect(await text(stream, 4)).toBe("abcd");
  expect(await text(stream, 4)).toBe("ef");
  hangUp();
  expect(await text(stream, 4)).toBe("");
});

test("a read waits for output and returns it on arrival", async () => {
  const { stream, say, hangUp } = pipe();
  const reading = text(stream);
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
  expect([await text(stream), await text(stream)]).toEqual(["", ""]);
  expect([ends, stream.ended]).toEqual([[true], true]);
});

test("readers are served in the order of their calls", async () => {
  const { stream, say, hangUp } = pipe();
  const readers = [text(stream, 2), text(stream, 2), text(stream, 2)];
  say("aabbcc");
  expect(await Promise.all(readers)).toEqual(["aa", "bb", "cc"]);
  hangUp();
  stream.close();
});

test("a cancelled reader consumes nothing, and the next one continues", async () => {
  const { stream, say, hangUp } = pipe();
  const patience = new AbortController();
  const first = stream.read(10, patience.signal);
  const second = text(stream);
  patience.abort(new Error("deadline"));
  await expect(first).rejects.toThrow("deadline");
  say("kept");
  expect(await second).toBe("kept");
  hangUp();
  stream.close();
});

test("an unsent answer is read again, before everything else and in pieces of any size", async () => {
  const { stream, say, hangUp } = pipe();
  say("abcdef");
  stream.unread(await stream.read(4, never));
  hangUp();
  expect(await text(stream, 3)).toBe("abc");
  expect(await text(stream, 3)).toBe("d");
  expect(stream.ended).toBe(false);
  expect(await text(stream, 3)).toBe("ef");
  expect(await text(stream, 3)).toBe("");
});

test("unsent answers of several readers keep their order", async () => {
  const { stream, say, hangUp } = pipe();
  say("aabbcc");
  const answers = await Promise.all([stream.read(2, never), stream.read(2, never), stream.read(2, never)]);
  for (const answer of answers) stream.unread(answer);
  const again = [await stream.read(1, never), await stream.read(1, never), await stream.read(6, never)];
  for (const answer of again) stream.unread(answer);
  const rest = [await stream.read(6, never), await stream.read(6, never), await stream.read(6, never)];
  expect(rest.join("") + (await text(stream))).toBe("aabbcc");
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
      const settle = (data: Buffer, isDelivered: boolean) => {
        if (isDelivered) {
          parts.push(data);
          stream.delivered(data);
        } else stream.unread(data);
      };
      for (const { lengths, kept } of steps) {
        const answers = lengths.map(async (length, index) => {
          const data = await stream.read(length, never);
          expect(data.length).toBeLessThanOrEqual(length);
          settle(data, index < kept);
        });
        await Promise.all(answers);
      }
      for (let data = await stream.read(64, never); data.length > 0; data = await stream.read(64, never)) {
        settle(data, true);
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
  await expect(reading).rejects.toMatchObject({ kind: "not-found" });
  hangUp();
});

test("settling closes an empty pipe without writers, and keeps one with output", async () => {
  const [empty, full] = [pipe(), pipe()];
  full.say("x");
  for (const { stream, hangUp } of [empty, full]) {
    hangUp();
    stream.settle();
  }
  expect([empty.stream.ended, full.stream.ended]).toEqual([true, false]);
  expect(await text(full.stream)).toBe("x");
  full.stream.settle();
});

test("settling leaves the end to a reader that waits for it", async () => {
  const { stream, hangUp } = pipe();
  const reading = text(stream);
  await new Promise(setImmediate);
  hangUp();
  stream.settle();
  expect(await reading).toBe("");
});
