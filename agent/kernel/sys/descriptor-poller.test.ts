import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { DescriptorPoller } from "./descriptor-poller.ts";
import { nativeAddon } from "./native-addon.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
const buffer = new Uint8Array(65536);
leavesNoDescriptors();

async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pause = new Promise((resolve) => setTimeout(resolve, 20, "pause"));
  return (await Promise.race([promise, pause])) !== "pause";
}

test("a wait for reading ends when there is data, and at end of file", async () => {
  const { read, write } = sys.pipe();
  const data = sys.poll(read, "read");
  expect(await settled(data)).toBe(false);
  sys.write(write, Buffer.from("x"));
  await data;
  expect(sys.read(read, buffer)).toBe(1);
  const end = sys.poll(read, "read");
  sys.close(write);
  await end;
  expect(sys.read(read, buffer)).toBe(0);
  sys.close(read);
});

test("8 MiB pass a 64 KiB pipe whose ends wait for each other", async () => {
  const { read, write } = sys.pipe({ sizeBytes: 65536 });
  sys.setNonBlocking(read);
  sys.setNonBlocking(write);
  const total = 8 << 20;
  const fill = async () => {
    for (let sent = 0, i = 0; sent < total; ) {
      const chunk = new Uint8Array(Math.min(50_000, total - sent)).fill(++i);
      for (let put = 0; put < chunk.length; ) {
        const wrote = sys.write(write, chunk.subarray(put));
        if (wrote < 0) await sys.poll(write, "write");
        else put += wrote;
      }
      sent += chunk.length;
    }
    sys.close(write);
  };
  const filling = fill();
  let got = 0;
  for (let n = sys.read(read, buffer); n !== 0; n = sys.read(read, buffer)) {
    if (n < 0) await sys.poll(read, "read");
    else got += n;
  }
  await filling;
  expect(got).toBe(total);
  sys.close(read);
});

test("several waits on one descriptor work, for the same and for different events", async () => {
  const [a, b] = sys.socketPair("stream");
  sys.setNonBlocking(a);
  while (sys.write(a, buffer) >= 0);
  const readers = [sys.poll(a, "read"), sys.poll(a, "read")];
  const writer = sys.poll(a, "write");
  sys.write(b, Buffer.from("hello"));
  await Promise.all(readers);
  expect(await settled(writer)).toBe(false);
  for (let left = sys.readable(b); left > 0; left = sys.readable(b)) sys.read(b, buffer);
  await writer;
  sys.close(a);
  sys.close(b);
});

test("a writer whose reader disappears is woken and gets EPIPE", async () => {
  const { read, write } = sys.pipe();
  sys.setNonBlocking(write);
  while (sys.write(write, buffer) >= 0);
  const waiting = sys.poll(write, "write");
  sys.close(read);
  await waiting;
  expect(() => sys.write(write, buffer)).toThrow("EPIPE");
  sys.close(write);
});

test("an aborted wait rejects with the signal's reason and leaves the others waiting", async () => {
  const { read, write } = sys.pipe();
  const controller = new AbortController();
  const aborted = sys.poll(read, "read", controller.signal);
  const stays = sys.poll(read, "read");
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  await expect(sys.poll(read, "read", controller.signal)).rejects.toBe(reason);
  sys.write(write, Buffer.from("x"));
  await stays;
  sys.close(read);
  sys.close(write);
});

test("closing a descriptor ends the waits on it, and its number can be waited on again", async () => {
  const { read, write } = sys.pipe();
  const waiting = sys.poll(read, "read");
  sys.close(read);
  await expect(waiting).rejects.toMatchObject({ kind: "canceled", message: `poll fd ${read}: closed while waiting` });
  sys.close(write);
  const again = sys.pipe();
  expect(again.read).toBe(read);
  sys.write(again.write, Buffer.from("x"));
  await sys.poll(again.read, "read");
  sys.close(again.read);
  sys.close(again.write);
});

test("a wait on a regular file or a closed descriptor rejects", async () => {
  const file = openSync(import.meta.filename, "r");
  await expect(sys.poll(file, "read")).rejects.toThrow(`poll for read fd ${file}: EPERM`);
  closeSync(file);
  await expect(sys.poll(9999, "write")).rejects.toThrow("poll for write fd 9999: EBADF");
});

test("the poller keeps nothing for a descriptor without a waiter", async () => {
  const poller = new DescriptorPoller(nativeAddon());
  const { read, write } = sys.pipe();
  const controller = new AbortController();
  const ready = poller.wait(write, "write");
  const aborted = poller.wait(read, "read", controller.signal);
  expect(poller.size).toBe(2);
  controller.abort();
  await Promise.allSettled([ready, aborted]);
  await expect(poller.wait(9999, "read")).rejects.toThrow("EBADF");
  expect(poller.size).toBe(0);
  sys.close(read);
  sys.close(write);
});

/** Runs a script with `addon` and `pipe` in a separate Node, because a crash would end this one. */
function inOwnNode(script: string): { status: number | null; stdout: string; stderr: string } {
  const url = JSON.stringify(join(import.meta.dirname, "native-addon.ts"));
  const prelude = `import { nativeAddon } from ${url};
    const addon = nativeAddon(); const out = new Int32Array(2); addon.pipe(out, 0); const [read, write] = out;\n`;
  return spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", prelude + script], {
    encoding: "utf8",
  });
}

test("a Poll can be closed, stopped and started within its own callback", () => {
  const run = inOwnNode(`let calls = 0;
    const poll = new addon.Poll(write, (status, events) => {
      calls++;
      if (calls === 1) { poll.stop(); poll.start(2); return; }
      poll.close(); poll.close();
      console.log(calls, status, events, poll.start(2), poll.stop());
    });
    poll.start(2);`);
  expect(run).toMatchObject({ status: 0, stdout: "2 0 2 -125 0\n", stderr: "" });
});

test("an exception thrown by the callback is an uncaught exception", () => {
  const run = inOwnNode(`process.on("uncaughtException", (error) => { console.log(error.message); poll.close(); });
    const poll = new addon.Poll(write, () => { throw new Error("from the callback"); });
    poll.start(2);`);
  expect(run).toMatchObject({ status: 0, stdout: "from the callback\n" });
});

test("unreferenced Polls are collected unless they wait", () => {
  const run = inOwnNode(`for (let i = 0; i < 20000; i++) {
      const poll = new addon.Poll(read, () => {});
      if (i % 2) { poll.start(1); poll.close(); }
    }
    let waiting = new addon.Poll(read, function () { console.log("woken", this instanceof addon.Poll); this.close(); });
    waiting.start(1); waiting = undefined;
    gc(); await new Promise((resolve) => setTimeout(resolve, 10)); gc();
    addon.write(write, new Uint8Array(1));`);
  expect(run).toMatchObject({ status: 0, stdout: "woken true\n", stderr: "" });
});

test("a worker can be terminated while its Polls wait", () => {
  const run = inOwnNode(`import { Worker } from "node:worker_threads";
    const code = \`import(\${JSON.stringify(${JSON.stringify(join(import.meta.dirname, "native-addon.ts"))})}).then((m) => {
      const addon = m.nativeAddon(); const out = new Int32Array(2); globalThis.kept = [];
      for (let i = 0; i < 50; i++) { addon.pipe(out, 0); const p = new addon.Poll(out[0], () => {}); p.start(1);
        if (i % 3 === 0) p.close(); kept.push(p, new addon.Poll(out[1], () => {})); }
      import("node:worker_threads").then((t) => t.parentPort.postMessage("waiting")); });\`;
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(code, { eval: true });
      await new Promise((resolve) => worker.on("message", resolve));
      console.log(await worker.terminate());
    }`);
  expect(run).toMatchObject({ status: 0, stdout: "1\n".repeat(5), stderr: "" });
});

test("the process can exit while a Poll waits", () => {
  expect(inOwnNode("new addon.Poll(read, () => {}).start(1); process.exit(7);")).toMatchObject({
    status: 7,
    stderr: "",
  });
});

test("a Poll can only be created with new, and its methods check their object", () => {
  const { Poll } = nativeAddon();
  expect(() => (Poll as unknown as (fd: number, callback: () => void) => void)(1, () => {})).toThrow(TypeError);
  expect(() => Reflect.construct(Poll, [1])).toThrow(TypeError);
  expect(() => Reflect.construct(Poll, [-1, () => {}])).toThrow(TypeError);
  expect(() => Reflect.construct(Poll, [1, "callback"])).toThrow(TypeError);
  const poll = new Poll(1, () => {});
  for (const events of [0, 4, 8, 1.5, "1"]) expect(() => Reflect.apply(poll.start, poll, [events])).toThrow(TypeError);
  for (const self of [{}, undefined, new Map()]) {
    expect(() => Reflect.apply(poll.start, self, [1])).toThrow(TypeError);
    expect(() => Reflect.apply(poll.close, self, [])).toThrow(TypeError);
  }
  poll.close();
});

test("a watch calls each time there is data, beside waits on the same descriptor, until it is ended", async () => {
  const [ours, theirs] = sys.socketPair("seqpacket");
  const got: string[] = [];
  const receive = () => {
    for (let message = sys.receiveMessage(ours, buffer); message !== undefined; ) {
      got.push(Buffer.from(message.data).toString());
      message = sys.receiveMessage(ours, buffer);
    }
  };
  const unwatch = sys.watch(ours, receive, () => expect.unreachable());
  sys.sendMessage(theirs, Buffer.from("a"));
  sys.sendMessage(theirs, Buffer.from("b"));
  await sys.poll(ours, "write");
  await expect.poll(() => got).toEqual(["a", "b"]);
  sys.sendMessage(theirs, Buffer.from("c"));
  await expect.poll(() => got).toEqual(["a", "b", "c"]);
  unwatch();
  unwatch();
  sys.sendMessage(theirs, Buffer.from("d"));
  expect(await settled(sys.poll(ours, "read"))).toBe(true);
  expect(got).toHaveLength(3);
  for (const fd of [ours, theirs]) sys.close(fd);
});

test("closing a watched descriptor ends the watch, and its number can be used again", async () => {
  const first = sys.pipe();
  let calls = 0;
  sys.watch(
    first.read,
    () => calls++,
    () => calls++,
  );
  for (const fd of [first.read, first.write]) sys.close(fd);
  const { read, write } = sys.pipe();
  expect(read).toBe(first.read);
  sys.write(write, Buffer.from("x"));
  await sys.poll(read, "read");
  expect(calls).toBe(0);
  for (const fd of [read, write]) sys.close(fd);
});

test("an error thrown in a watch ends it and goes to its owner; other watches of the descriptor continue", async () => {
  const { read, write } = sys.pipe();
  const lost: unknown[] = [];
  let calls = 0;
  let others = 0;
  const defect = new Error("from the callback");
  sys.watch(
    read,
    () => {
      calls++;
      throw defect;
    },
    (error) => lost.push(error),
  );
  const unwatch = sys.watch(
    read,
    () => others++,
    () => expect.unreachable(),
  );
  sys.write(write, Buffer.from("x"));
  await expect.poll(() => others).toBeGreaterThan(2);
  expect([calls, lost]).toEqual([1, [defect]]);
  unwatch();
  for (const fd of [read, write]) sys.close(fd);
});

test("a watch that the kernel refuses throws and leaves nothing behind", () => {
  const poller = new DescriptorPoller(nativeAddon());
  expect(() =>
    poller.watch(
      9999,
      () => {},
      () => {},
    ),
  ).toThrow("poll for read fd 9999: EBADF");
  expect(poller.size).toBe(0);
});

test("a watch for changes calls once for each change, whatever is left to read, and for the end", async () => {
  const { read, write } = sys.pipe();
  let calls = 0;
  const unwatch = sys.watchChanges(
    read,
    () => calls++,
    () => expect.unreachable(),
  );
  const settled = async () => {
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    return calls;
  };
  expect(await settled()).toBe(0);
  sys.write(write, Buffer.of(1));
  expect(await settled()).toBe(1);
  sys.write(write, Buffer.of(2));
  expect([await settled(), sys.readable(read), sys.hungUp(read)]).toEqual([2, 2, false]);
  sys.close(write);
  expect([await settled(), sys.readable(read), sys.hungUp(read)]).toEqual([3, 2, true]);
  unwatch();
  sys.close(read);
});

test.each(["data", "close", "abort"])("a wait that ended by %s leaves no listener on its signal", async (how) => {
  const { read, write } = sys.pipe();
  const patience = new AbortController();
  const waits = [sys.poll(read, "read", patience.signal), sys.poll(read, "read", patience.signal)];
  expect(getEventListeners(patience.signal, "abort")).toHaveLength(2);
  if (how === "data") sys.write(write, Buffer.from("x"));
  if (how === "close") sys.close(read);
  if (how === "abort") patience.abort(new Error("enough"));
  const ends = await Promise.allSettled(waits);
  expect(ends.map(({ status }) => status)).toEqual(Array(2).fill(how === "data" ? "fulfilled" : "rejected"));
  expect(getEventListeners(patience.signal, "abort")).toEqual([]);
  sys.close(write);
  if (how !== "close") sys.close(read);
});
