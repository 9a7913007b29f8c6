import { expect, test } from "vitest";
import { ReconnectingChannel } from "./reconnecting-channel.ts";
import type { RpcChannel } from "./rpc-channel.ts";
import { RpcError } from "./rpc-error.ts";

/** A channel that answers each call with its number. */
class Scripted implements RpcChannel {
  readonly #ended = Promise.withResolvers<void>();
  readonly number: number;
  isClosed = false;

  constructor(number: number) {
    this.number = number;
  }

  get closed(): Promise<void> {
    return this.#ended.promise;
  }

  async call(): Promise<Uint8Array> {
    if (this.isClosed) throw new RpcError("unavailable", "closed by the agent");
    return Uint8Array.of(this.number);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#ended.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function channels() {
  const opened: Scripted[] = [new Scripted(0)];
  const open = async () => {
    const next = new Scripted(opened.length);
    opened.push(next);
    return next;
  };
  const channel = new ReconnectingChannel(opened[0] as Scripted, open);
  const ask = async () => (await channel.call("s", "m", new Uint8Array()))[0];
  return { opened, channel, ask };
}

test("calls share one connection until it is lost, and then the next one", async () => {
  const { opened, ask } = channels();
  expect(await Promise.all([ask(), ask()])).toEqual([0, 0]);
  await opened[0]?.close();
  await settled();
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
  expect(opened).toHaveLength(2);
});

test("a call reports that no connection can be opened, and the next one tries again", async () => {
  const first = new Scripted(0);
  let attempts = 0;
  const channel = new ReconnectingChannel(first, async () => {
    if (++attempts === 1) throw new Error("dial hvsock:///x:1024: ECONNREFUSED");
    return new Scripted(7);
  });
  await first.close();
  await settled();
  const failed = channel.call("s", "m", new Uint8Array());
  await expect(failed).rejects.toMatchObject({ kind: "unavailable", message: expect.stringContaining("ECONNREFUSED") });
  expect((await channel.call("s", "m", new Uint8Array()))[0]).toBe(7);
});

test("a closed channel connects no more", async () => {
  const { opened, channel, ask } = channels();
  await channel.close();
  await channel.closed;
  expect(opened[0]?.isClosed).toBe(true);
  await expect(ask()).rejects.toMatchObject({ kind: "unavailable" });
  expect(opened).toHaveLength(1);
});
