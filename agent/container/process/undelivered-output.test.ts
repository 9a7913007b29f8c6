import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { OutputStream } from "./output-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
leavesNoDescriptors();

/** An output whose only bytes, "abcd", two answers hold that are not delivered yet. */
async function undelivered() {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(read);
  sys.write(write, Buffer.from("abcd"));
  sys.close(write);
  const stream = new OutputStream(sys, read);
  const answers = [await stream.read(2, never), await stream.read(2, never)] as const;
  return { stream, answers };
}

/** Starts a read, and returns what it has returned so far. */
function reader(stream: OutputStream, signal = never) {
  const read: string[] = [];
  const reading = stream.read(9, signal).then((data) => void read.push(String(data)));
  return { read, reading };
}

test("a read at the end waits for answers under way, and returns those that come back, in order", async () => {
  const { stream, answers } = await undelivered();
  const first = reader(stream);
  await new Promise(setImmediate);
  expect([first.read, stream.open, stream.ended]).toEqual([[], false, false]);
  stream.unread(answers[1]);
  await new Promise(setImmediate);
  expect(first.read).toEqual([]);
  stream.unread(answers[0]);
  await first.reading;
  expect(first.read).toEqual(["ab"]);
});

test("a read returns no answer that came back while an earlier one is under way", async () => {
  const { stream, answers } = await undelivered();
  stream.unread(answers[1]);
  const { read, reading } = reader(stream);
  await new Promise(setImmediate);
  expect(read).toEqual([]);
  stream.unread(answers[0]);
  await reading;
  expect(read).toEqual(["ab"]);
  stream.close();
});

test("a read waits for an answer under way once another has come back", async () => {
  const { read: end, write } = sys.pipe();
  sys.setNonBlocking(end);
  sys.write(write, Buffer.from("abcdef"));
  const stream = new OutputStream(sys, end);
  const answers = [await stream.read(2, never), await stream.read(2, never)] as const;
  stream.unread(answers[0]);
  const again = await stream.read(2, never);
  const { read, reading } = reader(stream);
  await new Promise(setImmediate);
  expect([String(again), read]).toEqual(["ab", []]);
  stream.unread(answers[1]);
  stream.delivered(again);
  await reading;
  expect(read).toEqual(["cd"]);
  stream.close();
  sys.close(write);
});

test("a read returns an answer that came back once the earlier one is delivered", async () => {
  const { stream, answers } = await undelivered();
  stream.unread(answers[1]);
  const { read, reading } = reader(stream);
  stream.delivered(answers[0]);
  await reading;
  expect(read).toEqual(["cd"]);
  stream.close();
});

test("a read at the end returns the end once every answer under way is delivered", async () => {
  const { stream, answers } = await undelivered();
  let delivered = 0;
  stream.onDelivered = () => delivered++;
  const next = reader(stream);
  stream.delivered(answers[1]);
  await new Promise(setImmediate);
  expect([next.read, stream.ended, delivered]).toEqual([[], false, 0]);
  stream.delivered(answers[0]);
  expect([stream.ended, delivered]).toEqual([true, 1]);
  await next.reading;
  expect(next.read).toEqual([""]);
});

test("a read that is cancelled while it waits for answers under way leaves them to the next one", async () => {
  const { stream, answers } = await undelivered();
  const patience = new AbortController();
  const first = reader(stream, patience.signal);
  const second = reader(stream);
  await new Promise(setImmediate);
  patience.abort(new Error("deadline"));
  await expect(first.reading).rejects.toThrow("deadline");
  stream.delivered(answers[0]);
  stream.unread(answers[1]);
  await second.reading;
  expect(second.read).toEqual(["cd"]);
});

test("a read that waits for answers under way ends with the process's removal", async () => {
  const { stream, answers } = await undelivered();
  const { reading } = reader(stream);
  await new Promise(setImmediate);
  stream.close();
  await expect(reading).rejects.toMatchObject({ kind: "not-found", message: "read: the process was removed" });
  stream.unread(answers[0]);
  expect(stream.ended).toBe(true);
  expect(await stream.read(9, never)).toHaveLength(0);
});

test("an empty request waits for nothing", async () => {
  const { stream } = await undelivered();
  stream.settle();
  expect([stream.open, (await stream.read(0, never)).length]).toEqual([false, 0]);
});
