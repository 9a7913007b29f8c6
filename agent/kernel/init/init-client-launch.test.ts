import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import type { Fd } from "../kernel.ts";
import { playInit, u32, u64 } from "../testing/played-init.ts";
import { initRefusals } from "./init-client.ts";
import { openInit } from "./open-init.ts";

const init = playInit();
const { sys } = init;

test("a launch sends its fields and descriptors, and resolves with pid and pidfd", async () => {
  const client = await init.connect();
  const keep = { release: init.end, stdin: init.end };
  const extra = {
    newPidNamespace: true,
    pidNamespaceSlot: 0,
    cgroupSlot: 1,
    slots: [init.end, init.end],
    keep,
    label: "l",
  };
  const launched = client.launch(init.request(2 ** 53 - 1, extra));
  const { type, id, body, fds } = await init.received();
  expect([type, id, fds.length]).toEqual([1, 2 ** 53 - 1, 5]);
  expect([body.readUInt32LE(0), body.readUInt32LE(4), body.readUInt16LE(8), body.readUInt16LE(10)]).toEqual([
    1, 0b100001, 2, 0,
  ]);
  expect([body.readInt16LE(12), body.readInt16LE(14), body.readUInt32LE(16), body.toString("utf8", 20)]).toEqual([
    0,
    1,
    1,
    "l",
  ]);
  init.send(16, id, u32(0, 77, 0, 0), [init.end]);
  const process = await launched;
  expect(process).toMatchObject({ id, pid: 77 });
  init.send(17, id, Buffer.concat([u32(0x2a00), u64(1, 2, 3)]));
  expect((await process.exit).code).toBe(42);
  for (const fd of [...fds, process.pidfd]) sys.close(fd);
  client.close();
});

test.each([
  [[-28, 0, 1, 0], "launch by init process 3: ENOSPC (no space left on device)"],
  [[-22, 0, 2, 0], "check launch plan operation 0 (exec): EINVAL (invalid argument)"],
  [[-74, 0, 2, -1], "check launch plan: EBADMSG (bad message)"],
  [[-22, 0, 3, 0], "setns pid namespace of the launch: EINVAL (invalid argument)"],
  [
    [-12, 0, 4, 0],
    "clone3 into the cgroup of the launch: ENOMEM (not enough memory, or the target pid namespace has ended)",
  ],
  [[-11, 0, 4, 0], "clone3 into the cgroup of the launch: EAGAIN (resource temporarily unavailable)"],
])("a refusal %j is reported as: %s", async (fields, message) => {
  const client = await init.connect();
  const launched = client.launch(init.request(3));
  const { fds } = await init.received();
  init.send(16, 3, u32(...fields));
  await expect(launched).rejects.toMatchObject({ kind: "internal", message });
  for (const fd of fds) sys.close(fd);
  client.close();
});

test("a launch whose pidfd finds no free descriptor fails in one line, and its process is killed", async () => {
  init.ready();
  const short = { left: 0 };
  const client = await openInit(
    {
      ...sys,
      receiveMessage(fd, into) {
        const message = sys.receiveMessage(fd, into);
        if (message === undefined || short.left-- <= 0) return message;
        for (const each of message.fds) sys.close(each);
        return { data: message.data, fds: [], lost: true };
      },
    },
    String(init.agentEnd),
  );
  const child = spawn("sleep", ["60"]);
  const ended = once(child, "exit");
  short.left = 1;
  const launched = client.launch(init.request(3));
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 3, u32(0, child.pid ?? 0, 0, 0), [init.end]);
  await expect(launched).rejects.toThrow(
    `receive the pidfd of process ${child.pid} from init: EMFILE (too many open files)`,
  );
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await init.received()).toMatchObject({ type: 2, id: 3 });
  const next = client.launch(init.request(4));
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 4, u32(0, 77, 0, 0), [init.end]);
  const { pid, pidfd } = await next;
  expect(pid).toBe(77);
  sys.close(pidfd);
  client.close();
});

test("a request that no message can carry is refused before it is sent", async () => {
  const client = await init.connect();
  await expect(client.launch(init.request(1, { label: "é".repeat(513) }))).rejects.toThrow(
    "a label of 1026 bytes is over the limit of 1024",
  );
  const slots = new Array<Fd>(64).fill(init.end);
  await expect(client.launch(init.request(1, { slots }))).rejects.toThrow("64 descriptors are over the limit of 63");
  expect(() => client.deposit("", init.end)).toThrow("the name has 0 bytes; use 1 to 100");
  expect(() => client.withdraw("x".repeat(101))).toThrow("101 bytes");
  client.close();
});

test("a launch that init answers without a pidfd fails", async () => {
  const client = await init.connect();
  const launched = client.launch(init.request(3));
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 3, u32(0, 77, 0, 0));
  await expect(launched).rejects.toThrow("message from init: no pidfd for process 77");
  client.close();
});

test("a launch whose caller has given up sends nothing", async () => {
  const client = await init.connect();
  await expect(client.launch(init.request(3), AbortSignal.abort(new Error("deadline")))).rejects.toThrow("deadline");
  client.forget(4);
  expect(await init.received()).toMatchObject({ type: 2, id: 4 });
  client.close();
});

test("a cancelled launch is forgotten, and its process is killed if init launches it all the same", async () => {
  const client = await init.connect();
  const patience = new AbortController();
  const launched = client.launch(init.request(3), patience.signal);
  for (const fd of (await init.received()).fds) sys.close(fd);
  patience.abort(new Error("deadline"));
  await expect(launched).rejects.toThrow("deadline");
  expect(await init.received()).toMatchObject({ type: 2, id: 3 });
  const child = spawn("sleep", ["60"]);
  const ended = once(child, "exit");
  const pidfd = sys.pidfdOpen(child.pid ?? 0);
  init.send(16, 3, u32(0, child.pid ?? 0, 0, 0), [pidfd]);
  sys.close(pidfd);
  expect(await ended).toEqual([null, "SIGKILL"]);
  // A refusal of a cancelled launch changes nothing.
  init.send(16, 3, u32(-12, 0, 1, 0));
  const next = client.launch(init.request(4));
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 4, u32(-12, 0, 1, 0));
  await expect(next).rejects.toThrow("launch by init process 4: ENOMEM");
  client.close();
});

test("a launch that has been answered can't be cancelled", async () => {
  const client = await init.connect();
  const patience = new AbortController();
  const launched = client.launch(init.request(3), patience.signal);
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 3, u32(0, 77, 0, 0), [init.end]);
  const { pidfd } = await launched;
  patience.abort();
  client.forget(4);
  expect(await init.received()).toMatchObject({ type: 2, id: 4 });
  sys.close(pidfd);
  client.close();
});

test("an id can be launched once at a time", async () => {
  const client = await init.connect();
  const first = client.launch(init.request(3));
  await expect(client.launch(init.request(3))).rejects.toMatchObject({
    kind: "already-exists",
    message: "launch 3: a launch with this id is in progress",
  });
  for (const fd of (await init.received()).fds) sys.close(fd);
  client.close();
  await expect(first).rejects.toThrow("socket to init: closed");
});

test("a forgotten process reports no exit", async () => {
  const client = await init.connect();
  const launched = client.launch(init.request(3));
  for (const fd of (await init.received()).fds) sys.close(fd);
  init.send(16, 3, u32(0, 77, 0, 0), [init.end]);
  const { exit, pidfd } = await launched;
  client.forget(3);
  init.send(17, 3, Buffer.concat([u32(0), u64(0, 0, 0)]));
  const after = new Promise<string>((resolve) => initRefusals.subscribe(() => resolve("no exit")));
  init.send(21, 9, u32(2, -2));
  expect(await Promise.race([exit, after])).toBe("no exit");
  sys.close(pidfd);
  client.close();
});
