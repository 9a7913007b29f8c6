import { describe, expect, test } from "vitest";
import { monotonicMs } from "../../agent/kernel/monotonic-ms.ts";
import { BodyRoom } from "../../agent/transport/body-room.ts";
import { type CallEvent, diagnostics } from "../../agent/transport/diagnostics.ts";
import { listen } from "../../agent/transport/testing/listen.ts";
import { dial } from "../../host/client/dial.ts";
import { GrpcClient } from "../../host/client/grpc-client.ts";
import type { CallOptions, RpcChannel } from "../../host/client/rpc-channel.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import { TtrpcClient } from "../../host/client/ttrpc-client.ts";
import { type Served, serve, until } from "./testing/serve.ts";

const protocols = {
  ttrpc: async (served: Served) => new TtrpcClient(await dial(served.address)),
  grpc: async (served: Served) => new GrpcClient(await dial(served.address)),
} as const;

/** Makes a call. Returns the response as text, or its code and message. */
async function ask(client: RpcChannel, method: string, payload = "", options?: CallOptions): Promise<unknown> {
  try {
    return Buffer.from(await client.call("test.Echo", method, Buffer.from(payload), options)).toString();
  } catch (error) {
    if (error instanceof RpcError) return { code: error.code, message: error.message };
    throw error;
  }
}

describe.each(Object.entries(protocols))("over %s", (name, open) => {
  test("empty and large answers arrive", async () => {
    await using served = await serve();
    await using client = await open(served);
    expect(await ask(client, "Echo", "hello")).toBe("hello");
    expect(await ask(client, "Echo", "")).toBe("");
    const large = "x".repeat(3 << 20);
    expect((await ask(client, "Echo", large)) === large).toBe(true);
  });

  test("calls run concurrently and are answered as they end", async () => {
    await using served = await serve();
    await using client = await open(served);
    const order: unknown[] = [];
    const note = async (method: string, payload: string) => order.push(await ask(client, method, payload));
    const held = note("Held", "");
    for (const payload of ["one", "two"]) await note("Echo", payload);
    served.table.held.resolve(Buffer.from("held"));
    await held;
    expect(order).toEqual(["one", "two", "held"]);
  });

  test("the requests of all connections share one memory budget until their handlers end", async () => {
    const room = new BodyRoom(1 << 20);
    await using served = await serve({ room });
    await using other = await open(served);
    const large = "x".repeat(900_000);
    for (let round = 0; round < 3; round++) {
      const client = await open(served);
      const hanging = ask(client, "Hang", large);
      await until(() => served.table.running === 1);
      expect(await ask(other, "Echo", "x".repeat(200_000))).toMatchObject({
        code: 8,
        message: expect.stringContaining("all memory for requests is in use"),
      });
      expect(await ask(other, "Echo", "small")).toBe("small");
      await client.close();
      await hanging;
      await until(() => served.table.running === 0);
    }
    expect(await ask(other, "Echo", large)).toBe(large);
    await until(() => room.left === 1 << 20);
  });

  test("errors arrive with a code and one line of text", async () => {
    await using served = await serve();
    await using client = await open(served);
    expect(await ask(client, "NotFound")).toEqual({ code: 5, message: "no such thing as this" });
    expect(await ask(client, "Undecodable")).toEqual({ code: 2, message: "decode x of 3 bytes: bad" });
    expect(await ask(client, "Bug")).toEqual({ code: 13, message: "TypeError: x is not a function at stack" });
    expect(await ask(client, "Echo", "still there")).toBe("still there");
  });

  test("every call is reported once, with its code and its error", async () => {
    const events = listen<CallEvent>(diagnostics.call);
    await using served = await serve();
    await using client = await open(served);
    for (const method of ["Echo", "NotFound"]) await ask(client, method);
    expect(events.map(({ method, code }) => [method, code])).toEqual([
      ["Echo", 0],
      ["NotFound", 5],
    ]);
    expect(events.map(({ error }) => error)).toMatchObject([undefined, { kind: "not-found" }]);
  });

  test("an unknown method fails with UNIMPLEMENTED", async () => {
    await using served = await serve();
    await using client = await open(served);
    expect(await ask(client, "Nothing")).toMatchObject({ code: 12 });
    expect(await ask(client, "constructor")).toMatchObject({ code: 12 });
  });

  test("an answer over 4 MiB becomes INVALID_ARGUMENT, and the connection continues", async () => {
    await using served = await serve();
    await using client = await open(served);
    expect(await ask(client, "Fill", String((4 << 20) + 1))).toMatchObject({ code: 3 });
    expect(served.table.settled).toEqual([false]);
    expect(await ask(client, "Echo", "on")).toBe("on");
  });

  test("the handler receives the metadata and the peer", async () => {
    await using served = await serve();
    await using client = await open(served);
    const answer = await ask(client, "Metadata", "", { metadata: { test: "value" } });
    expect(JSON.parse(String(answer))).toEqual({ peer: "unix", test: "value" });
  });

  test("the server enforces the deadline of a hanging handler and aborts it", async () => {
    await using served = await serve();
    await using client = await open(served);
    const began = performance.now();
    expect(await ask(client, "Hang", "", { timeoutMs: 50 })).toMatchObject({ code: 4 });
    expect(performance.now() - began).toBeGreaterThan(40);
    await until(() => served.table.aborted.length === 1);
    expect(served.table.running).toBe(0);
    expect(served.rpc.openCalls()).toEqual([]);
    expect(served.table.settled).toEqual([false]);
  });

  test("a lost connection aborts its own calls and no others", async () => {
    await using served = await serve();
    await using other = await open(served);
    const client = await open(served);
    const lost = [ask(client, "Hang"), ask(client, "Hang")];
    const kept = ask(other, "Sleep", "150");
    await until(() => served.table.running === 3);
    await client.close();
    expect(await Promise.all(lost)).toMatchObject([{ code: 14 }, { code: 14 }]);
    await until(() => served.table.aborted.length === 2);
    const message =
      name === "ttrpc"
        ? "the connection from unix was closed"
        : "/test.Echo/Hang was cancelled or exceeded its deadline";
    expect(served.table.aborted).toMatchObject(new Array(2).fill({ kind: "canceled", message }));
    expect(await kept).toBe("150");
  });

  test("destroying a connection aborts its calls at once", async () => {
    await using served = await serve();
    await using client = await open(served);
    const lost = ask(client, "Hang");
    await until(() => served.table.running === 1);
    for (const connection of served.rpc.connections) connection.destroy();
    expect(served.table.aborted).toHaveLength(1);
    expect(await lost).toMatchObject({ code: 14 });
  });

  test("a handler is told whether its answer was written", async () => {
    await using served = await serve();
    const client = await open(served);
    await ask(client, "Echo", "x");
    await until(() => served.table.settled.length === 1);
    const late = ask(client, "Sleep", "500");
    await until(() => served.table.running === 1);
    await client.close();
    await late;
    await until(() => served.table.settled.length === 2 && served.table.running === 0);
    expect(served.table.settled).toEqual([true, false]);
  });

  test("a listener that subscribes late is told too", async () => {
    await using served = await serve();
    await using client = await open(served);
    await ask(client, "Echo", "x");
    await until(() => served.table.settled.length === 1);
    const told: boolean[] = [];
    served.table.calls[0]?.onSettled((written) => told.push(written));
    expect(told).toEqual([true]);
  });

  test("the client's signal cancels the call", async () => {
    await using served = await serve();
    await using client = await open(served);
    const controller = new AbortController();
    const answer = ask(client, "Hang", "", { signal: controller.signal });
    await until(() => served.table.running === 1);
    controller.abort();
    expect(await answer).toMatchObject({ code: 1 });
    expect(await ask(client, "Echo", "", { signal: AbortSignal.abort() })).toMatchObject({ code: 1 });
    if (name === "grpc") await until(() => served.table.aborted.length === 1);
  });

  test("calls over the limit are refused until handlers end", async () => {
    await using served = await serve({ maxCalls: 3 });
    await using client = await open(served);
    const open3 = Array.from({ length: 3 }, () => ask(client, "Held"));
    await until(() => served.table.running === 3);
    expect(await ask(client, "Echo")).toMatchObject({
      code: 8,
      message: expect.stringContaining("more than 3 calls at once on one connection"),
    });
    served.table.held.resolve(Buffer.from("held"));
    await Promise.all(open3);
    expect(await ask(client, "Echo", "again")).toBe("again");
  });

  test("answers that were sent count no more towards the limit of unsent bytes", async () => {
    await using served = await serve({ maxUnwritten: 1000 });
    await using client = await open(served);
    for (let round = 0; round < 5; round++) expect(await ask(client, "Fill", "600")).toHaveLength(600);
  });

  test("handlers that outlive their callers still count towards the limit", async () => {
    await using served = await serve({ maxCalls: 2 });
    await using client = await open(served);
    const deaf = () => ask(client, "Deaf", "", { timeoutMs: 1000 });
    const given = [deaf(), deaf()];
    await until(() => served.table.running === 2);
    await Promise.all(given);
    expect(await ask(client, "Echo")).toMatchObject({ code: 8 });
  });

  test("close answers open calls, then ends the connection", async () => {
    await using served = await serve();
    await using client = await open(served);
    const answer = ask(client, "Sleep", "60");
    await until(() => served.table.running === 1);
    await served.rpc.close();
    expect(await answer).toBe("60");
    await client.closed;
    expect(await ask(client, "Echo")).toMatchObject({ code: 14 });
  });

  test("close doesn't wait forever", async () => {
    await using served = await serve();
    await using client = await open(served);
    const answer = ask(client, "Hang");
    await until(() => served.table.running === 1);
    await served.rpc.close(50);
    expect(await answer).toMatchObject({ code: 14 });
    await until(() => served.table.aborted.length === 1);
  });

  test("open calls are listed with everything needed to answer them later", async () => {
    await using served = await serve();
    await using client = await open(served);
    const answers = [ask(client, "Held", "first"), ask(client, "Held", "second", { timeoutMs: 60_000 })];
    await until(() => served.table.running === 2);
    const [first, second] = served.rpc.openCalls();
    expect(first).toEqual({ streamId: 1, service: "test.Echo", method: "Held", payload: Buffer.from("first") });
    expect(second?.deadline).toBeGreaterThan(monotonicMs() + 50_000);
    expect(Array.from(served.rpc.connections, ({ protocol }) => protocol)).toEqual([name]);
    served.table.held.resolve(Buffer.from("held"));
    expect(await Promise.all(answers)).toEqual(["held", "held"]);
    expect(served.rpc.openCalls()).toEqual([]);
  });

  test("the bytes of a thousand concurrent calls don't mix", async () => {
    await using served = await serve();
    await using client = await open(served);
    const texts = Array.from({ length: 1000 }, (_, index) => `${index}-`.repeat(index % 100));
    expect(await Promise.all(texts.map((text) => ask(client, "Echo", text)))).toEqual(texts);
  });

  test("a second close, or a destroy after a close, does nothing", async () => {
    await using served = await serve();
    const client = await open(served);
    await ask(client, "Echo");
    await Promise.all([served.rpc.close(), served.rpc.close()]);
    served.rpc.destroy();
    await Promise.all([client.close(), client.close()]);
  });
});
