import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { dial } from "../../../client/dial.ts";
import { WakingRelay } from "./waking-relay.ts";

async function relayBeside(): Promise<{ relay: WakingRelay; address: string; guest: string }> {
  const directory = mkdtempSync(join(tmpdir(), "waking-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const guest = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  guest.listen(join(directory, "guest.sock"));
  await once(guest, "listening");
  onTestFinished(() => void guest.close());
  const path = join(directory, "relay.sock");
  const relay = await WakingRelay.listen(path);
  onTestFinished(() => relay[Symbol.dispose]());
  return { relay, address: `hvsock://${path}:1024`, guest: `unix://${directory}/guest.sock` };
}

test("clients wait until there is a guest, are counted, and get every byte with its end", async () => {
  const { relay, address, guest } = await relayBeside();
  const dialled = dial(address);
  await relay.used();
  expect(relay.clients).toBe(1);
  const ports: number[] = [];
  relay.lead((port) => {
    ports.push(port);
    return guest;
  });
  const stream = await dialled;
  const sent = "x".repeat(1 << 20);
  stream.end(sent);
  expect(await text(stream)).toBe(sent);
  await expect.poll(() => relay.clients).toBe(0);
  expect(ports).toEqual([1024]);
});

test("a connection wakes the guest only while it is held, and clients that wait can be refused", async () => {
  const { relay, address, guest } = await relayBeside();
  relay.lead(() => guest);
  (await dial(address)).destroy();
  relay.hold();
  let isUsed = false;
  void relay.used().then(() => {
    isUsed = true;
  });
  const failed = expect(dial(address)).rejects.toThrow(/^dial hvsock:.*: the VMM closed/);
  await expect.poll(() => isUsed).toBe(true);
  relay.refuse(new Error("it can't continue"));
  await failed;
  relay.lead(() => guest);
  (await dial(address)).destroy();
});

test("an invalid line, or a guest that doesn't listen, closes only that connection", async () => {
  const { relay, address, guest } = await relayBeside();
  const path = address.slice("hvsock://".length, -":1024".length);
  for (const words of ["GET / HTTP/1.1\n", "CONNECT 4294967295\n", "CONNECT -1\n", "x".repeat(1000)]) {
    const stream = await dial(`unix://${path}`);
    stream.on("error", () => undefined);
    const closed = once(stream, "close");
    stream.resume().write(words);
    await closed;
  }
  relay.lead(() => `${guest}.gone`);
  await expect(dial(address)).rejects.toThrow("dial hvsock:");
  relay.hold();
  relay.lead(() => guest);
  (await dial(address)).destroy();
  await expect.poll(() => relay.clients).toBe(0);
});
