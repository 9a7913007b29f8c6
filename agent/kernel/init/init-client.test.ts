import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SystemError } from "../error.ts";
import type { Fd, LaunchRequest } from "../kernel.ts";
import { openSys } from "../sys/sys.ts";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { type InitClient, initRefusals } from "./init-client.ts";
import { openInit } from "./open-init.ts";

/** The test plays init on its end of the socket; init itself is tested in test/init. */
const sys = openSys();
let initEnd: Fd;
let agentEnd: Fd;

leavesNoDescriptors();
beforeEach(() => {
  [initEnd = -1, agentEnd = -1] = sys.socketPair("seqpacket");
});
afterEach(() => {
  sys.close(initEnd);
});

function send(type: number, id: number, body: Uint8Array = new Uint8Array(0), fds: readonly Fd[] = []): void {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(type, 0);
  header.writeBigUInt64LE(BigInt(id), 8);
  sys.sendMessage(initEnd, Buffer.concat([header, body]), fds);
}
const u32 = (...values: number[]) => Buffer.from(new Int32Array(values).buffer);
const u64 = (...values: number[]) => Buffer.from(new BigUint64Array(values.map(BigInt)).buffer);
const ready = () => send(20, 0, u64(1, 5, 6));

async function received(): Promise<{ type: number; id: number; body: Buffer; fds: readonly Fd[] }> {
  const buffer = Buffer.alloc(4096);
  for (;;) {
    await sys.poll(initEnd, "read", AbortSignal.timeout(2000));
    const got = sys.receiveMessage(initEnd, buffer);
    if (got === undefined) continue;
    const data = Buffer.from(got.data);
    return { type: data.readUInt32LE(0), id: Number(data.readBigUInt64LE(8)), body: data.subarray(16), fds: got.fds };
  }
}

async function connect(): Promise<InitClient> {
  ready();
  return openInit(sys, String(agentEnd));
}

function request(id: number, extra: Partial<LaunchRequest> = {}): LaunchRequest {
  const plan = [{ op: "exec", args: ["x"], env: [] }] as const;
  return { id, plan, slots: [initEnd], reportSlot: 0, newPidNamespace: false, keep: {}, label: "", ...extra };
}

test.each([16, 17, 18, 20, 21])("a truncated message of type %i is reported in one line", async (type) => {
  send(type, 1, u32(1));
  await expect(openInit(sys, String(agentEnd))).rejects.toThrow("message from init: truncated at 20 bytes");
  sys.close(agentEnd);
});

test.each([undefined, "", "x", "2"])("an agent without init's socket (%s) says how to start it", async (value) => {
  await expect(openInit(sys, value)).rejects.toThrow(
    /GUESTD_INIT_FD=.*: no socket to init; start the agent by guestd-init/,
  );
  sys.close(agentEnd);
});

test("the greeting contains running and ended processes, deposits and times", async () => {
  const pipe = sys.pipe();
  const exit = [u32(9), u64(10, 20, 30)];
  const label = Buffer.from("läbel");
  send(18, 1, Buffer.concat([u32(40, 0), ...exit, u32(0b010010, label.length), label]), [
    pipe.read,
    pipe.write,
    pipe.read,
  ]);
  send(18, 2, Buffer.concat([u32(41, 1, 0x0300), u64(10, 20, 30), u32(0, 0)]), [pipe.read]);
  send(19, 0, Buffer.from("listener"), [pipe.read]);
  const client = await connect();
  const { processes, deposits, ...times } = client.greeting;
  expect(times).toEqual({ generation: 1, initStartMicros: 5, agentExecMicros: 6 });
  const [running, ended] = processes;
  expect(running).toMatchObject({ id: 1, pid: 40, label: "läbel" });
  expect(Object.keys(running?.kept ?? {})).toEqual(["stdout", "report"]);
  expect(running?.exited).toBeUndefined();
  const status = { code: 3, signal: 0, userMicros: 10, systemMicros: 20, maxRssKib: 30 };
  expect(ended).toMatchObject({ id: 2, pid: 41, label: "", kept: {}, exited: status });
  expect(await ended?.exit).toEqual(status);
  send(17, 1, Buffer.concat(exit));
  expect(await running?.exit).toEqual({ ...status, code: 137, signal: 9 });
  const owned = processes.flatMap(({ pidfd, kept }) => [pidfd, ...Object.values(kept)]);
  for (const fd of [...owned, ...deposits.values(), pipe.read, pipe.write]) sys.close(fd);
  expect([...deposits.keys()]).toEqual(["listener"]);
  client.close();
});

test("a launch sends its fields and descriptors, and resolves with pid and pidfd", async () => {
  const client = await connect();
  const keep = { release: initEnd, stdin: initEnd };
  const extra = {
    newPidNamespace: true,
    pidNamespaceSlot: 0,
    cgroupSlot: 1,
    slots: [initEnd, initEnd],
    keep,
    label: "l",
  };
  const launched = client.launch(request(2 ** 53 - 1, extra));
  const { type, id, body, fds } = await received();
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
  send(16, id, u32(0, 77, 0, 0), [initEnd]);
  const process = await launched;
  expect(process).toMatchObject({ id, pid: 77 });
  send(17, id, Buffer.concat([u32(0x2a00), u64(1, 2, 3)]));
  expect((await process.exit).code).toBe(42);
  for (const fd of [...fds, process.pidfd]) sys.close(fd);
  client.close();
});

test.each([
  [[-28, 0, 1, 0], "launch by init process 3: ENOSPC"],
  [[-22, 0, 2, 0], "check launch plan operation 0 (exec): EINVAL"],
  [[-74, 0, 2, -1], "check launch plan: EBADMSG"],
  [[-22, 0, 3, 0], "setns pid namespace of the launch: EINVAL"],
  [[-12, 0, 4, 0], "clone3 into the cgroup of the launch: ENOMEM (not enough memory, or the target pid namespace"],
  [[-11, 0, 4, 0], "clone3 into the cgroup of the launch: EAGAIN"],
])("a refusal %j is reported as: %s", async (fields, message) => {
  const client = await connect();
  const launched = client.launch(request(3));
  const { fds } = await received();
  send(16, 3, u32(...fields));
  await expect(launched).rejects.toThrow(message);
  for (const fd of fds) sys.close(fd);
  client.close();
});

test("a launch whose pidfd finds no free descriptor fails in one line, and its process is killed", async () => {
  ready();
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
    String(agentEnd),
  );
  const child = spawn("sleep", ["60"]);
  const ended = once(child, "exit");
  short.left = 1;
  const launched = client.launch(request(3));
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 3, u32(0, child.pid ?? 0, 0, 0), [initEnd]);
  await expect(launched).rejects.toThrow(
    `receive the pidfd of process ${child.pid} from init: EMFILE (too many open files)`,
  );
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await received()).toMatchObject({ type: 2, id: 3 });
  const next = client.launch(request(4));
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 4, u32(0, 77, 0, 0), [initEnd]);
  const { pid, pidfd } = await next;
  expect(pid).toBe(77);
  sys.close(pidfd);
  client.close();
});

test("a request that no message can carry is refused before it is sent", async () => {
  const client = await connect();
  await expect(client.launch(request(1, { label: "é".repeat(513) }))).rejects.toThrow(
    "a label of 1026 bytes is over the limit of 1024",
  );
  const slots = new Array<Fd>(64).fill(initEnd);
  await expect(client.launch(request(1, { slots }))).rejects.toThrow("64 descriptors are over the limit of 63");
  expect(() => client.deposit("", initEnd)).toThrow("the name has 0 bytes; use 1 to 100");
  expect(() => client.withdraw("x".repeat(101))).toThrow("101 bytes");
  client.close();
});

test("forget, close, deposit, withdraw and power are sent as message.h defines them", async () => {
  const client = await connect();
  client.forget(4);
  client.closeKept(5, "terminal");
  client.deposit("näme", initEnd);
  client.withdraw("näme");
  client.power("reboot");
  const messages = [];
  for (let i = 0; i < 5; i++) {
    const { type, id, body, fds } = await received();
    messages.push([type, id, body.toString("latin1"), fds.length]);
    for (const fd of fds) sys.close(fd);
  }
  const name = Buffer.from("näme").toString("latin1");
  expect(messages).toEqual([
    [2, 4, "", 0],
    [3, 5, "\x03\0\0\0", 0],
    [4, 0, name, 1],
    [5, 0, name, 0],
    [6, 0, "\x01\0\0\0", 0],
  ]);
  client.close();
});

test("messages for which the socket has no room are queued and sent in order, with their descriptors", async () => {
  const client = await connect();
  const pipe = sys.pipe();
  for (let i = 0; i < 900; i++) client.deposit(`d${i}`.padEnd(100, "."), pipe.read);
  sys.close(pipe.read); // the client has its own copies of the descriptors that it couldn't send yet
  for (let i = 0; i < 900; i++) {
    const { body, fds } = await received();
    expect(body.toString()).toMatch(new RegExp(`^d${i}\\.`));
    expect(fds.length).toBe(1);
    for (const fd of fds) sys.close(fd);
  }
  sys.close(pipe.write);
  client.close();
});

test("a refusal of a request without an answer is published", async () => {
  const client = await connect();
  const refused = new Promise((resolve) => initRefusals.subscribe(resolve));
  send(21, 9, u32(2, -2));
  expect(await refused).toEqual({ id: 9, request: 2, errno: "ENOENT" });
  client.close();
});

test("heartbeats carry their limit, and stop if init is too old for them", async () => {
  const client = await connect();
  client.heartbeat(5000);
  expect(await received()).toMatchObject({ type: 8, id: 0, body: u32(5000) });
  send(21, 0, u32(8, -38));
  send(21, 9, u32(2, -2));
  await new Promise((resolve) =>
    initRefusals.subscribe((message) => (message as { id: number }).id === 9 && resolve(0)),
  );
  client.heartbeat(5000);
  client.forget(1);
  expect(await received()).toMatchObject({ type: 2, id: 1 });
  client.close();
});

test("pending launches and later calls fail once init is gone", async () => {
  const client = await connect();
  const launched = client.launch(request(1));
  const { fds } = await received();
  for (const fd of fds) sys.close(fd);
  const ended = client.ended;
  const other = sys.dup(initEnd);
  sys.close(initEnd);
  sys.close(other);
  initEnd = sys.dup(1);
  await expect(launched).rejects.toThrow("socket to init: init is gone");
  await ended;
  expect(() => client.forget(1)).toThrow(/EPIPE/);
  client.close();
  expect(() => client.forget(1)).toThrow("socket to init: already closed");
});

test("close is idempotent and rejects pending launches", async () => {
  const client = await connect();
  const launched = client.launch(request(1));
  client.close();
  client.close();
  await expect(launched).rejects.toThrow("socket to init: closed");
});

test("an orphan is adopted with its pid, and has no pidfd if it had ended", async () => {
  const client = await connect();
  const adopted = client.adopt({ id: 5, pid: 40, keep: { stdout: initEnd }, label: "l" });
  const { type, id, body, fds } = await received();
  expect([type, id, body.readUInt32LE(0), fds.length]).toEqual([7, 5, 40, 1]);
  send(16, 5, u32(0, 40, 0, 0));
  const process = await adopted;
  expect(process).toMatchObject({ id: 5, pid: 40, pidfd: undefined });
  send(17, 5, Buffer.concat([u32(0), u64(0, 0, 0)]));
  expect((await process.exit).code).toBe(0);
  for (const fd of fds) sys.close(fd);
  const refused = client.adopt({ id: 6, pid: 41, keep: {}, label: "" });
  send(16, 6, u32(-3, 0, 0, 0));
  await expect(refused).rejects.toThrow("launch by init process 6: ESRCH");
  client.close();
});

test("a launch that init answers without a pidfd fails", async () => {
  const client = await connect();
  const launched = client.launch(request(3));
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 3, u32(0, 77, 0, 0));
  await expect(launched).rejects.toThrow("message from init: no pidfd for process 77");
  client.close();
});

test("a launch whose caller has given up sends nothing", async () => {
  const client = await connect();
  await expect(client.launch(request(3), AbortSignal.abort(new Error("deadline")))).rejects.toThrow("deadline");
  client.forget(4);
  expect(await received()).toMatchObject({ type: 2, id: 4 });
  client.close();
});

test("a cancelled launch is forgotten, and its process is killed if init launches it all the same", async () => {
  const client = await connect();
  const patience = new AbortController();
  const launched = client.launch(request(3), patience.signal);
  for (const fd of (await received()).fds) sys.close(fd);
  patience.abort(new Error("deadline"));
  await expect(launched).rejects.toThrow("deadline");
  expect(await received()).toMatchObject({ type: 2, id: 3 });
  const child = spawn("sleep", ["60"]);
  const ended = once(child, "exit");
  const pidfd = sys.pidfdOpen(child.pid ?? 0);
  send(16, 3, u32(0, child.pid ?? 0, 0, 0), [pidfd]);
  sys.close(pidfd);
  expect(await ended).toEqual([null, "SIGKILL"]);
  // A refusal of a cancelled launch changes nothing.
  send(16, 3, u32(-12, 0, 1, 0));
  const next = client.launch(request(4));
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 4, u32(-12, 0, 1, 0));
  await expect(next).rejects.toThrow("launch by init process 4: ENOMEM");
  client.close();
});

test("a launch that has been answered can't be cancelled", async () => {
  const client = await connect();
  const patience = new AbortController();
  const launched = client.launch(request(3), patience.signal);
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 3, u32(0, 77, 0, 0), [initEnd]);
  const { pidfd } = await launched;
  patience.abort();
  client.forget(4);
  expect(await received()).toMatchObject({ type: 2, id: 4 });
  sys.close(pidfd);
  client.close();
});

test("an id can be launched once at a time", async () => {
  const client = await connect();
  const first = client.launch(request(3));
  await expect(client.launch(request(3))).rejects.toMatchObject({
    kind: "already-exists",
    message: "launch 3: a launch with this id is in progress",
  });
  for (const fd of (await received()).fds) sys.close(fd);
  client.close();
  await expect(first).rejects.toThrow("socket to init: closed");
});

test("a forgotten process reports no exit", async () => {
  const client = await connect();
  const launched = client.launch(request(3));
  for (const fd of (await received()).fds) sys.close(fd);
  send(16, 3, u32(0, 77, 0, 0), [initEnd]);
  const { exit, pidfd } = await launched;
  client.forget(3);
  send(17, 3, Buffer.concat([u32(0), u64(0, 0, 0)]));
  const after = new Promise<string>((resolve) => initRefusals.subscribe(() => resolve("no exit")));
  send(21, 9, u32(2, -2));
  expect(await Promise.race([exit, after])).toBe("no exit");
  sys.close(pidfd);
  client.close();
});

test("a message that the machine has no memory for is sent later, in order", async () => {
  ready();
  let failures = 2;
  const client = await openInit(
    {
      ...sys,
      sendMessage(fd, bytes, fds) {
        if (failures-- > 0) throw new SystemError("sendmsg", 105, "");
        return sys.sendMessage(fd, bytes, fds);
      },
    },
    String(agentEnd),
  );
  client.deposit("first", initEnd);
  client.forget(2);
  const first = await received();
  expect(first).toMatchObject({ type: 4, body: Buffer.from("first") });
  expect(await received()).toMatchObject({ type: 2, id: 2 });
  for (const fd of first.fds) sys.close(fd);
  client.close();
});

test("a request fails in one line once init has stopped reading, and a close drops what is queued", async () => {
  const client = await connect();
  let sent = 0;
  const withdraw = () => {
    for (; sent < 10_000; sent++) client.withdraw("x".repeat(100));
  };
  expect(withdraw).toThrow(
    expect.objectContaining({
      kind: "resource-exhausted",
      message: "socket to init: 1024 messages are queued; init isn't reading",
    }),
  );
  expect(sent).toBeGreaterThan(1024);
  client.close();
});

test("a message whose descriptors can't be copied for the queue is not sent", async () => {
  ready();
  const copies: Fd[] = [];
  const client = await openInit(
    {
      ...sys,
      sendMessage: () => false,
      dup(fd) {
        if (copies.length > 0) throw new SystemError("dup", 24, `fd ${fd}`);
        copies.push(sys.dup(fd));
        return copies[0] ?? -1;
      },
    },
    String(agentEnd),
  );
  await expect(client.launch(request(3))).rejects.toThrow(/^dup fd \d+: EMFILE/);
  await expect(client.launch(request(3))).rejects.toThrow(/^dup fd \d+: EMFILE/);
  client.close();
});

test("the connection ends with the reason if a queued message can't be sent", async () => {
  ready();
  let calls = 0;
  const client = await openInit(
    {
      ...sys,
      sendMessage() {
        if (calls++ === 0) return false;
        throw new SystemError("sendmsg", 32, "fd 7");
      },
    },
    String(agentEnd),
  );
  const launched = client.launch(request(3));
  await expect(launched).rejects.toThrow("socket to init: sending failed");
  expect(await client.ended).toMatchObject({ kind: "unavailable", message: "socket to init: sending failed" });
  client.close();
});

test("an agent doesn't start without the descriptors that init kept", async () => {
  send(19, 0, Buffer.from("listener"), [initEnd]);
  const receiveMessage = (fd: Fd, into: Uint8Array) => {
    const message = sys.receiveMessage(fd, into);
    for (const each of message?.fds ?? []) sys.close(each);
    return message && { data: message.data, fds: [], lost: true as const };
  };
  await expect(openInit({ ...sys, receiveMessage }, String(agentEnd))).rejects.toThrow(
    "recvmsg of what init kept: EMFILE (too many open files)",
  );
  sys.close(agentEnd);
});

test("an agent that init stops talking to during the greeting doesn't start", async () => {
  const opening = openInit(sys, String(agentEnd));
  sys.close(initEnd);
  initEnd = sys.dup(1);
  await expect(opening).rejects.toThrow("socket to init: end of file");
  sys.close(agentEnd);
});
