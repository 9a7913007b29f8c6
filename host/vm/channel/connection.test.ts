import { Socket } from "node:net";
import { expect, test } from "vitest";
import { Connection, type FrameSink } from "./connection.ts";

/** A client that takes each write once the test lets it. */
class SlowClient extends Socket {
  readonly taken: Buffer[] = [];
  #done: (() => void) | undefined;

  override _write(bytes: string | Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.taken.push(Buffer.from(bytes as Uint8Array));
    this.#done = done;
  }

  override _final(done: () => void): void {
    this.taken.push(Buffer.from("end"));
    done();
  }

  letGo(): void {
    this.#done?.();
  }
}

const sink: FrameSink = {
  hasRoom: true,
  send: () => undefined,
  sendNumber: () => undefined,
  sendData: () => undefined,
};

test("bytes that a guest sends one by one wait in one buffer while their client takes none, before end and close", async () => {
  const client = new SlowClient();
  const connection = new Connection(0, client, 1024, sink, () => undefined);
  connection.take("opened", Buffer.alloc(0));
  client.letGo();
  await expect.poll(() => client.writableLength).toBe(0);
  const sent = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
  for (const byte of sent) connection.take("data", Buffer.of(byte));
  connection.take("end", Buffer.alloc(0));
  connection.take("close", Buffer.alloc(0));
  expect(client.writableLength).toBe(1);
  client.letGo();
  await expect.poll(() => client.writableLength).toBe(sent.length - 1);
  client.letGo();
  await expect.poll(() => client.destroyed).toBe(true);
  expect(Buffer.concat(client.taken)).toEqual(Buffer.concat([Buffer.from("OK 0\n"), sent, Buffer.from("end")]));
});
