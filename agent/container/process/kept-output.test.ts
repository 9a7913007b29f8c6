import { expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import { createJournalMemory, journalIn } from "../../kernel/journal/journal.ts";
import type { OutputKey } from "../../kernel/journal/output-journal.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { OutputStream } from "./output-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
const key: OutputKey = { process: 7, stream: 0 };
leavesNoDescriptors();

/** An output whose pieces a journal keeps. */
function kept(memory = createJournalMemory(), readable = true) {
  const { outputs } = journalIn(memory);
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const stream = new OutputStream(sys, readable ? read : undefined, false, { journal: outputs, key });
  if (!readable) sys.close(read);
  const say = (text: string) => void sys.write(write, Buffer.from(text));
  /** Lists what the next agent would find. */
  const found = () =>
    journalIn(memory.slice(0))
      .outputs.found(key)
      .map(({ data, offset }) => `${offset} ${data}`);
  const close = () => {
    stream.close();
    sys.close(write);
  };
  return { memory, outputs, stream, say, found, close };
}

test("the next agent finds output whose answer was not delivered, and nothing that was", async () => {
  const { stream, say, found, close } = kept();
  say("first ");
  const first = await stream.read(10, never);
  say("second");
  await stream.read(10, never);
  expect(found()).toEqual(["0 first ", "6 second"]);
  stream.delivered(first);
  stream.delivered(first);
  expect(found()).toEqual(["6 second"]);
  close();
});

test("the next agent reads what it found before anything new, and continues its offsets", async () => {
  const { memory, stream, say, close } = kept();
  say("abcdef");
  await stream.read(4, never);
  const next = kept(memory.slice(0));
  next.say("gh");
  const texts: Buffer[] = [];
  for (let i = 0; i < 3; i++) texts.push(await next.stream.read(3, never));
  expect(texts.map(String)).toEqual(["abc", "d", "gh"]);
  expect(next.found()).toEqual(["0 abc", "3 d", "4 gh"]);
  for (const text of texts) next.stream.delivered(text);
  expect(next.found()).toEqual([]);
  close();
  next.close();
});

test("an output that has ended is read to its end by the next agent", async () => {
  const { memory, stream, say, close } = kept();
  say("rest");
  await stream.read(9, never);
  const next = kept(memory.slice(0), false);
  expect([next.stream.open, next.stream.ended]).toEqual([false, false]);
  const data = await next.stream.read(9, never);
  expect([String(data), next.stream.ended]).toEqual(["rest", false]);
  next.stream.delivered(data);
  expect(next.stream.ended).toBe(true);
  expect(await next.stream.read(9, never)).toHaveLength(0);
  close();
  next.close();
});

test("output that is in the answer of a call is the next agent's only while that call is open", async () => {
  const { memory, stream, say, close } = kept();
  say("text");
  const data = await stream.read(9, never);
  stream.link(data, 5);
  stream.link(Buffer.from("another"), 5);
  // No call is open in a new agent.
  expect(journalIn(memory.slice(0)).outputs.found(key)).toEqual([]);
  stream.unread(data);
  expect(journalIn(memory.slice(0)).outputs.found(key)).toHaveLength(1);
  close();
});

test("the journal is empty once the output is closed, whoever holds a part of it", async () => {
  const { stream, say, found, close } = kept();
  say("abcd");
  const [held, returned] = [await stream.read(2, never), await stream.read(2, never)];
  stream.unread(returned);
  close();
  expect(found()).toEqual(["0 ab"]);
  stream.unread(held);
  expect(found()).toEqual([]);
});

test("an output without a journal takes its answers back all the same", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  const stream = new OutputStream(sys, read);
  expect(stream.open).toBe(true);
  sys.write(write, Buffer.from("ab"));
  const [first, second] = [await stream.read(1, never), await stream.read(1, never)];
  stream.link(first, 1);
  stream.delivered(first);
  stream.unread(first);
  stream.unread(second);
  expect(String(await stream.read(9, never))).toBe("b");
  stream.unread(second);
  stream.close();
  expect([stream.open, stream.ended]).toEqual([false, true]);
  sys.close(write);
});

test("settling keeps what a pipe's last writer wrote after the look at it", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  sys.write(write, Buffer.from("late"));
  const stream = new OutputStream({ ...sys, readable: () => 0 }, read);
  stream.settle();
  expect(stream.open).toBe(true);
  expect(String(await stream.read(9, never)) + String(await stream.read(9, never))).toBe("late");
  stream.close();
  sys.close(write);
});

test("a failure while settling is left to the next reader, unless it is the agent's own", async () => {
  const { read, write } = sys.pipe();
  const failing = (error: Error) => {
    const readable = () => {
      throw error;
    };
    return new OutputStream({ ...sys, readable }, read);
  };
  expect(() => failing(new SystemError("ioctl", 5, "")).settle()).not.toThrow();
  expect(() => failing(new TypeError("wrong argument")).settle()).toThrow("wrong argument");
  for (const fd of [read, write]) sys.close(fd);
});
