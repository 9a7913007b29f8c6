import { type Duplex, duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, type Frame, FrameParser } from "../../proto/ttrpc-frame.ts";
import { RpcError } from "./rpc-error.ts";
import { TtrpcClient } from "./ttrpc-client.ts";

/** Returns a client, the other end of its stream, and the requests sent on it. */
function pair(): { client: TtrpcClient; far: Duplex; requests: (Frame & { request: ttrpc.Request })[] } {
  const [near, far] = duplexPair();
  const requests: (Frame & { request: ttrpc.Request })[] = [];
  const parser = new FrameParser();
  far.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind === "frame") requests.push({ ...frame, request: ttrpc.Request.decode(frame.body) });
    }
  });
  return { client: new TtrpcClient(near), far, requests };
}

function respond(far: Duplex, streamId: number, body: Uint8Array, type = 2): void {
  far.write(Buffer.concat([encodeHeader(body.length, { streamId, type, flags: 0 }), body]));
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const payload = (text: string) => ttrpc.Response.encode({ payload: Buffer.from(text) }).finish();

test("sends requests with odd increasing stream ids, the time limit and metadata", async () => {
  const { client, requests } = pair();
  const calls = [
    client.call("a.B", "C", Buffer.from("x"), { timeoutMs: 1500, metadata: { key: "value" } }),
    client.call("a.B", "D", Buffer.alloc(0)),
  ];
  await turn();
  expect(requests.map(({ streamId, type, flags }) => [streamId, type, flags])).toEqual([
    [1, 1, 0],
    [3, 1, 0],
  ]);
  expect(requests[0]?.request).toMatchObject({
    service: "a.B",
    method: "C",
    timeout_nano: 1.5e9,
    metadata: [{ key: "key", value: "value" }],
  });
  expect(requests[1]?.request.timeout_nano).toBe(0);
  const settled = Promise.allSettled(calls);
  await client.close();
  expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test("accepts an answer without a status, as Go servers send it, as a success", async () => {
  const { client, far } = pair();
  const call = client.call("a.B", "C", Buffer.alloc(0));
  respond(far, 1, payload("done"));
  expect(Buffer.from(await call).toString()).toBe("done");
});

test("unexpected, repeated or undecodable answers do not affect other calls", async () => {
  const { client, far } = pair();
  const first = client.call("a.B", "C", Buffer.alloc(0));
  const second = client.call("a.B", "C", Buffer.alloc(0));
  respond(far, 99, payload("unexpected"));
  respond(far, 1, payload("data"), 3);
  respond(far, 1, Buffer.of(255, 255));
  respond(far, 1, payload("late"));
  respond(far, 3, payload("second"));
  await expect(first).rejects.toMatchObject({ code: 13, kind: "internal" });
  expect(Buffer.from(await second).toString()).toBe("second");
});

test("a call to a dead server ends at its own time limit", async () => {
  const { client, far } = pair();
  const call = client.call("a.B", "C", Buffer.alloc(0), { timeoutMs: 20 });
  await expect(call).rejects.toMatchObject({ code: 4, message: "/a.B/C: no answer within 20 ms" });
  respond(far, 1, payload("late"));
  await turn();
});

test("open and later calls fail with UNAVAILABLE once the agent closes the connection", async () => {
  const { client, far } = pair();
  const call = client.call("a.B", "C", Buffer.alloc(0));
  far.end();
  await expect(call).rejects.toMatchObject({ kind: "unavailable", message: "ttrpc: closed by the agent" });
  await client.closed;
  await expect(client.call("a.B", "C", Buffer.alloc(0))).rejects.toBeInstanceOf(RpcError);
});

test("does not send a request over 4 MiB", async () => {
  const { client, requests } = pair();
  const call = client.call("a.B", "C", Buffer.alloc((4 << 20) + 1));
  await expect(call).rejects.toMatchObject({ kind: "resource-exhausted" });
  await turn();
  expect(requests).toEqual([]);
});
