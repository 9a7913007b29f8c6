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

/** A small pipe, whose other end the test reads as the process would. */
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

test("an input stream writes all data, and ending it is the process's end of input", async () => {
  const { input, take, hangUp } = pipe();
  await input.write(Buffer.from("line\n"), never);
  await input.end(never);
  expect([take(), take()]).toEqual(["line\n", ""]);
  hangUp();
});

test("an input stream continues an earlier agent's write from its noted progress, and notes its own progress", async () => {
  const { input, take, hangUp } = pipe();
  const write = async (before: number) => {
    const progress = Int32Array.of(before);
    await input.write(Buffer.from("0123456789"), never, progress);
    return [take(), progress[0]];
  };
  expect(await write(0)).toEqual(["0123456789", 21]);
  expect(await write(2 * 4 + 1)).toEqual(["456789", 21]); // 4 bytes are written
  expect(await write(2 * 4 + 2)).toEqual(["456789", 21]); // the agent died in the write of the first 4
  expect(await write(21)).toEqual([undefined, 21]);
  input.close();
  hangUp();
});

test("a write is made by the next agent if the agent dies before the system call", async () => {
  const death = new Error("killed");
  const double = createSysDouble();
  const progress = new Int32Array(1);
  double.script("writeNoted", death);
  const fd = double.descriptor();
  await expect(new InputStream(double, fd, false).write(Buffer.from("line\n"), never, progress)).rejects.toBe(death);
  const { input, take, hangUp } = pipe();
  await input.write(Buffer.from("line\n"), never, progress);
  expect(take()).toBe("line\n");
  input.close();
  hangUp();
});

test("a writer that is cancelled before its turn leaves the memory of its progress alone", async () => {
  const { input, take, hangUp } = pipe();
  const [patience, progress] = [new AbortController(), new Int32Array(1)];
  const first = input.write(Buffer.alloc(2 * PIPE, "a"), never);
  const second = input.write(Buffer.from("b"), patience.signal, progress);
  patience.abort(new Error("deadline"));
  await new Promise(setImmediate);
  take();
  await first;
  await expect(second).rejects.toThrow("deadline");
  expect(progress[0]).toBe(0);
  input.close();
  hangUp();
});

test("a write waits while the pipe is full and continues when there is room", async () => {
  const { input, take, hangUp } = pipe();
  const writing = input.write(Buffer.alloc(PIPE + 10, "x"), never);
  await new Promise(setImmediate);
  expect(take()).toHaveLength(PIPE);
  await writing;
  expect(take()).toHaveLength(10);
  input.close();
  hangUp();
});

test("writes keep their order, even if they are split or have to wait", async () => {
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

test("a cancelled writer lets the next one continue", async () => {
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

test("closing rejects a write that waits, and later writes fail in one line", async () => {
  const { input, hangUp } = pipe();
  const writing = input.write(Buffer.alloc(2 * PIPE), never);
  await new Promise(setImmediate);
  input.close();
  await expect(writing).rejects.toThrow("write to stdin: it is closed");
  await expect(input.write(Buffer.from("x"), never)).rejects.toThrow("write to stdin: it is closed");
  hangUp();
});

test("a write to a process that no longer reads fails with the errno", async () => {
  const { input, hangUp } = pipe();
  hangUp();
  await expect(input.write(Buffer.from("x"), never)).rejects.toThrow(
    "write to stdin: EPIPE (the process no longer reads it)",
  );
  input.close();
});

test("a terminal's input ends with ^D, and its descriptor stays open for the owner", async () => {
  const double = createSysDouble();
  const master = double.descriptor();
  const input = new InputStream(double, master, true);
  await input.end(never);
  expect(double.calls.at(-1)).toEqual(["writeNoted", master, Uint8Array.of(4), Int32Array.of(3)]);
  input.close();
  expect(double.open.has(master)).toBe(true);
});

test("bytes of a pipe are moved as far as there is room, which can be waited for", async () => {
  const { input, take, hangUp } = pipe();
  const from = sys.pipe();
  sys.write(from.write, Buffer.alloc(PIPE + 10, "x"));
  expect([input.move(from.read, PIPE), input.move(from.read, PIPE)]).toEqual([PIPE, -1]);
  let isWritable = false;
  const writable = input.writable(never).then(() => {
    isWritable = true;
  });
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  expect(isWritable).toBe(false);
  expect(take()).toHaveLength(PIPE);
  await writable;
  expect([input.move(from.read, 10), take()]).toEqual([10, "x".repeat(10)]);
  hangUp();
  sys.write(from.write, Buffer.from("y"));
  expect(() => input.move(from.read, 1)).toThrow("write to stdin: EPIPE (the process no longer reads it)");
  input.close();
  for (const fd of [from.read, from.write]) sys.close(fd);
});

test("input that was closed can't be moved to or waited for, and a wait ends with the close or its signal", async () => {
  const { input, hangUp } = pipe();
  const from = sys.pipe();
  sys.write(from.write, Buffer.alloc(2 * PIPE, "x"));
  input.move(from.read, PIPE);
  const patience = new AbortController();
  const waits = [input.writable(patience.signal), input.writable(never)];
  patience.abort(new Error("detached"));
  await expect(waits[0]).rejects.toThrow("detached");
  input.close();
  const closed = "write to stdin: it is closed";
  await expect(waits[1]).rejects.toThrow(closed);
  expect(() => input.move(from.read, 1)).toThrow(closed);
  await expect(input.writable(never)).rejects.toThrow(closed);
  hangUp();
  for (const fd of [from.read, from.write]) sys.close(fd);
});
