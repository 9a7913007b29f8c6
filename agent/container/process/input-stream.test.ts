import fc from "fast-check";
import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { createSysDouble } from "../../kernel/testing/sys-double.ts";
import { InputStream } from "./input-stream.ts";

const sys = openSys();
const never = new AbortController().signal;
const PIPE = 4096;
leavesNoDescriptors();

/** A small pipe: what the process at its other end reads is up to the test. */
function pipe() {
  const { read, write } = sys.pipe({ sizeBytes: PIPE });
  for (const fd of [read, write]) sys.setNonBlocking(fd);
  const into = new Uint8Array(1 << 16);
  const take = () => {
    const count = sys.read(read, into);
    return count < 0 ? undefined : Buffer.from(into.subarray(0, count)).toString();
  };
  return { input: new InputStream(sys, write, false), take, hangUp: () => sys.close(read) };
}

test("writes what it is given, and its end is the process's end of input", async () => {
  const { input, take, hangUp } = pipe();
  await input.write(Buffer.from("line\n"), never);
  await input.end(never);
  expect([take(), take()]).toEqual(["line\n", ""]);
  hangUp();
});

test("goes on with a write of an agent before from what that noted, and notes how far it comes", async () => {
  const { input, take, hangUp } = pipe();
  const noted: number[] = [];
  const write = (progress: number) =>
    input.write(Buffer.from("0123456789"), never, { progress, note: (now) => void noted.push(now) });
  await write(0);
  expect([take(), noted.splice(0)]).toEqual(["0123456789", [2, 21]]);
  await write(2 * 4 + 1); // 4 bytes are written
  expect([take(), noted.splice(0)]).toEqual(["456789", [10, 21]]);
  await write(2 * 4 + 2); // the rest may be: it counts as written
  await write(21);
  expect([take(), noted]).toEqual([undefined, []]);
  input.close();
  hangUp();
});

test("waits while the pipe is full and goes on when there is room", async () => {
  const { input, take, hangUp } = pipe();
  const writing = input.write(Buffer.alloc(PIPE + 10, "x"), never);
  await new Promise(setImmediate);
  expect(take()).toHaveLength(PIPE);
  await writing;
  expect(take()).toHaveLength(10);
  input.close();
  hangUp();
});

test("keeps the order of writes, however they are cut and whoever waits", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ minLength: 1, maxLength: 3000 }), { maxLength: 8 }), async (texts) => {
      const { input, take, hangUp } = pipe();
      const writes = texts.map((text) => input.write(Buffer.from(text), never));
      const ended = input.end(never);
      let got = "";
      for (let part = take(); part !== ""; part = take()) {
        got += part ?? "";
        await new Promise(setImmediate);
      }
      await Promise.all([...writes, ended]);
      expect(got).toBe(texts.join(""));
      hangUp();
    }),
    { numRuns: 30 },
  );
});

test("the end of input comes after a write that still waits for room", async () => {
  const { input, take, hangUp } = pipe();
  const writing = input.write(Buffer.alloc(2 * PIPE, "x"), never);
  const ended = input.end(never);
  await new Promise(setImmediate);
  expect(take()).toHaveLength(PIPE);
  await writing;
  await ended;
  expect([take()?.length, take()]).toEqual([PIPE, ""]);
  hangUp();
});

test("a writer that gives up lets the next one go on", async () => {
  const { input, take, hangUp } = pipe();
  const patience = new AbortController();
  const first = input.write(Buffer.alloc(2 * PIPE, "a"), patience.signal);
  const second = input.write(Buffer.from("b"), never);
  await new Promise(setImmediate);
  patience.abort(new Error("deadline"));
  await expect(first).rejects.toThrow("deadline");
  expect(take()).toBe("a".repeat(PIPE));
  await second;
  expect(take()).toBe("b");
  input.close();
  hangUp();
});

test("closing ends a write that waits, and later ones fail in one line", async () => {
  const { input, hangUp } = pipe();
  const writing = input.write(Buffer.alloc(2 * PIPE), never);
  await new Promise(setImmediate);
  input.close();
  await expect(writing).rejects.toThrow("write to stdin: it is closed");
  await expect(input.write(Buffer.from("x"), never)).rejects.toThrow("write to stdin: it is closed");
  hangUp();
});

test("a process that does not read any more is an error with its errno", async () => {
  const { input, hangUp } = pipe();
  hangUp();
  await expect(input.write(Buffer.from("x"), never)).rejects.toThrow(
    "write to stdin: EPIPE (nobody reads it any more)",
  );
  input.close();
});

test("a terminal gets ^D for the end of input, and its descriptor is left to its owner", async () => {
  const double = createSysDouble();
  const master = double.descriptor();
  const input = new InputStream(double, master, true);
  await input.end(never);
  expect(double.calls.at(-1)).toEqual(["write", master, Uint8Array.of(4)]);
  input.close();
  expect(double.open.has(master)).toBe(true);
});
