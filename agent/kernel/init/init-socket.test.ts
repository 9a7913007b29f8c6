import { expect, test } from "vitest";
import { SystemError } from "../error.ts";
import type { Fd } from "../kernel.ts";
import { playInit } from "../testing/played-init.ts";
import { openInit } from "./open-init.ts";

const init = playInit();
const { sys } = init;

test("messages for which the socket has no room are queued and sent in order, with their descriptors", async () => {
  const client = await init.connect();
  const pipe = sys.pipe();
  for (let i = 0; i < 900; i++) client.deposit(`d${i}`.padEnd(100, "."), pipe.read);
  sys.close(pipe.read); // the client has its own copies of the descriptors that it couldn't send yet
  for (let i = 0; i < 900; i++) {
    const { body, fds } = await init.received();
    expect(body.toString()).toMatch(new RegExp(`^d${i}\\.`));
    expect(fds.length).toBe(1);
    for (const fd of fds) sys.close(fd);
  }
  sys.close(pipe.write);
  client.close();
});

test("a message that the machine has no memory for is sent later, in order", async () => {
  init.ready();
  let failures = 2;
  const client = await openInit(
    {
      ...sys,
      sendMessage(fd, bytes, fds) {
        if (failures-- > 0) throw new SystemError("sendmsg", 105, "");
        return sys.sendMessage(fd, bytes, fds);
      },
    },
    String(init.agentEnd),
  );
  client.deposit("first", init.end);
  client.forget(2);
  const first = await init.received();
  expect(first).toMatchObject({ type: 4, body: Buffer.from("first") });
  expect(await init.received()).toMatchObject({ type: 2, id: 2 });
  for (const fd of first.fds) sys.close(fd);
  client.close();
});

test("a request fails in one line once init has stopped reading, and a close drops what is queued", async () => {
  const client = await init.connect();
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
  init.ready();
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
    String(init.agentEnd),
  );
  await expect(client.launch(init.request(3))).rejects.toThrow(/^dup fd \d+: EMFILE/);
  await expect(client.launch(init.request(3))).rejects.toThrow(/^dup fd \d+: EMFILE/);
  client.close();
});

test("the connection ends with the reason if a queued message can't be sent", async () => {
  init.ready();
  let calls = 0;
  const client = await openInit(
    {
      ...sys,
      sendMessage() {
        if (calls++ === 0) return false;
        throw new SystemError("sendmsg", 32, "fd 7");
      },
    },
    String(init.agentEnd),
  );
  const launched = client.launch(init.request(3));
  await expect(launched).rejects.toThrow("socket to init: sending failed");
  expect(await client.ended).toMatchObject({ kind: "unavailable", message: "socket to init: sending failed" });
  client.close();
});
