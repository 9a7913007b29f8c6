import { expect, test } from "vitest";
import type { Fd } from "../kernel.ts";
import { playInit, u32, u64 } from "../testing/played-init.ts";
import { initRefusals } from "./init-client.ts";
import { openInit } from "./open-init.ts";

const init = playInit();
const { sys } = init;

test.each([16, 17, 18, 20, 21])("a truncated message of type %i is reported in one line", async (type) => {
  init.send(type, 1, u32(1));
  await expect(openInit(sys, String(init.agentEnd))).rejects.toThrow("message from init: truncated at 20 bytes");
  sys.close(init.agentEnd);
});

test.each([undefined, "", "x", "2"])("an agent without init's socket (%s) says how to start it", async (value) => {
  await expect(openInit(sys, value)).rejects.toThrow(
    /GUESTD_INIT_FD=.*: no socket to init; start the agent by guestd-init/,
  );
  sys.close(init.agentEnd);
});

test("the greeting contains running and ended processes, deposits and times", async () => {
  const pipe = sys.pipe();
  const exit = [u32(9), u64(10, 20, 30)];
  const label = Buffer.from("läbel");
  init.send(18, 1, Buffer.concat([u32(40, 0), ...exit, u32(0b010010, label.length), label]), [
    pipe.read,
    pipe.write,
    pipe.read,
  ]);
  init.send(18, 2, Buffer.concat([u32(41, 1, 0x0300), u64(10, 20, 30), u32(0, 0)]), [pipe.read]);
  init.send(19, 0, Buffer.from("listener"), [pipe.read]);
  const client = await init.connect();
  const { processes, deposits, ...times } = client.greeting;
  expect(times).toEqual({ generation: 1, initStartMicros: 5, agentExecMicros: 6 });
  const [running, ended] = processes;
  expect(running).toMatchObject({ id: 1, pid: 40, label: "läbel" });
  expect(Object.keys(running?.kept ?? {})).toEqual(["stdout", "report"]);
  expect(running?.exited).toBeUndefined();
  const status = { code: 3, signal: 0, userMicros: 10, systemMicros: 20, maxRssKib: 30 };
  expect(ended).toMatchObject({ id: 2, pid: 41, label: "", kept: {}, exited: status });
  expect(await ended?.exit).toEqual(status);
  init.send(17, 1, Buffer.concat(exit));
  expect(await running?.exit).toEqual({ ...status, code: 137, signal: 9 });
  const owned = processes.flatMap(({ pidfd, kept }) => [pidfd, ...Object.values(kept)]);
  for (const fd of [...owned, ...deposits.values(), pipe.read, pipe.write]) sys.close(fd);
  expect([...deposits.keys()]).toEqual(["listener"]);
  client.close();
});

test("forget, close, deposit, withdraw and power are sent as message.h defines them", async () => {
  const client = await init.connect();
  client.forget(4);
  client.closeKept(5, "terminal");
  client.deposit("näme", init.end);
  client.withdraw("näme");
  client.power("reboot");
  const messages = [];
  for (let i = 0; i < 5; i++) {
    const { type, id, body, fds } = await init.received();
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

test("a refusal of a request without an answer is published", async () => {
  const client = await init.connect();
  const refused = new Promise((resolve) => initRefusals.subscribe(resolve));
  init.send(21, 9, u32(2, -2));
  expect(await refused).toEqual({ id: 9, request: 2, errno: "ENOENT" });
  client.close();
});

test("heartbeats carry their limit, and stop if init is too old for them", async () => {
  const client = await init.connect();
  client.heartbeat(5000);
  expect(await init.received()).toMatchObject({ type: 8, id: 0, body: u32(5000) });
  init.send(21, 0, u32(8, -38));
  init.send(21, 9, u32(2, -2));
  await new Promise((resolve) =>
    initRefusals.subscribe((message) => (message as { id: number }).id === 9 && resolve(0)),
  );
  client.heartbeat(5000);
  client.forget(1);
  expect(await init.received()).toMatchObject({ type: 2, id: 1 });
  client.close();
});

test("pending launches and later calls fail once init is gone", async () => {
  const client = await init.connect();
  const launched = client.launch(init.request(1));
  const { fds } = await init.received();
  for (const fd of fds) sys.close(fd);
  const ended = client.ended;
  const other = sys.dup(init.end);
  sys.close(init.end);
  sys.close(other);
  init.end = sys.dup(1);
  await expect(launched).rejects.toThrow("socket to init: init is gone");
  await ended;
  expect(() => client.forget(1)).toThrow(/EPIPE/);
  client.close();
  expect(() => client.forget(1)).toThrow("socket to init: already closed");
});

test("close is idempotent and rejects pending launches", async () => {
  const client = await init.connect();
  const launched = client.launch(init.request(1));
  client.close();
  client.close();
  await expect(launched).rejects.toThrow("socket to init: closed");
});

test("an orphan is adopted with its pid, and has no pidfd if it had ended", async () => {
  const client = await init.connect();
  const adopted = client.adopt({ id: 5, pid: 40, keep: { stdout: init.end }, label: "l" });
  const { type, id, body, fds } = await init.received();
  expect([type, id, body.readUInt32LE(0), fds.length]).toEqual([7, 5, 40, 1]);
  init.send(16, 5, u32(0, 40, 0, 0));
  const process = await adopted;
  expect(process).toMatchObject({ id: 5, pid: 40, pidfd: undefined });
  init.send(17, 5, Buffer.concat([u32(0), u64(0, 0, 0)]));
  expect((await process.exit).code).toBe(0);
  for (const fd of fds) sys.close(fd);
  const refused = client.adopt({ id: 6, pid: 41, keep: {}, label: "" });
  init.send(16, 6, u32(-3, 0, 0, 0));
  await expect(refused).rejects.toThrow("launch by init process 6: ESRCH");
  client.close();
});

test("an agent doesn't start without the descriptors that init kept", async () => {
  init.send(19, 0, Buffer.from("listener"), [init.end]);
  const receiveMessage = (fd: Fd, into: Uint8Array) => {
    const message = sys.receiveMessage(fd, into);
    for (const each of message?.fds ?? []) sys.close(each);
    return message && { data: message.data, fds: [], lost: true as const };
  };
  await expect(openInit({ ...sys, receiveMessage }, String(init.agentEnd))).rejects.toThrow(
    "recvmsg of what init kept: EMFILE (too many open files)",
  );
  sys.close(init.agentEnd);
});

test("an agent that init stops talking to during the greeting doesn't start", async () => {
  const opening = openInit(sys, String(init.agentEnd));
  sys.close(init.end);
  init.end = sys.dup(1);
  await expect(opening).rejects.toThrow("socket to init: end of file");
  sys.close(init.agentEnd);
});
