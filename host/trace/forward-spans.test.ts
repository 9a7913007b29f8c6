import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeSpans } from "../../proto/encode-spans.ts";
import { otlp } from "../../proto/gen/otlp.js";
import { type ForwardedSpans, forwardSpans } from "./forward-spans.ts";
import { type PostedSpans, startCollector } from "./testing/collector.ts";

const SPAN = {
  ...{ traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 2), parentId: undefined },
  ...{ kind: "server" as const, name: "Check", began: 1, ended: 2, attributes: {} },
};
let folder: string;
let collector: PostedSpans;
let forwarded: ForwardedSpans;
let failures: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "spans-"));
  collector = await startCollector();
  failures = [];
  const endpoint = { url: new URL(`${collector.url}/v1/traces`), headers: { tenant: "me" } };
  const onFailure = (line: string) => void failures.push(line);
  forwarded = await forwardSpans(`hvsock://${folder}/vm.vsock:1024`, "web", endpoint, onFailure);
});
afterEach(async () => {
  forwarded.close();
  await collector[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function framed(body: Uint8Array, length = body.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(length));
  return Buffer.concat([head, body]);
}

async function agent() {
  const socket = connect(`${folder}/vm.vsock_10240`);
  await once(socket, "connect");
  return socket;
}

test("an agent's spans reach the collector with the guest's name, however they are cut", async () => {
  const socket = await agent();
  const message = framed(encodeSpans([SPAN], "guestd", "1"));
  socket.write(Buffer.concat([message, message.subarray(0, 5)]));
  await collector.next();
  socket.write(message.subarray(5));
  await collector.next();
  const [first, second] = collector.posts;
  expect(second?.body).toEqual(first?.body);
  expect(first?.headers).toMatchObject({ tenant: "me", "content-type": "application/x-protobuf" });
  const [sent] = otlp.ExportTraceServiceRequest.decode(first?.body ?? new Uint8Array()).resource_spans;
  const attributes = sent?.resource?.attributes.map(({ key, value }) => `${key}=${value?.string_value}`);
  expect(attributes).toEqual(["service.name=guestd", "service.version=1", "guestd.guest=web"]);
  expect(sent?.scope_spans[0]?.spans[0]?.name).toBe("Check");
  expect(failures).toEqual([]);
});

test.each([
  [
    "a message that is too long",
    framed(Buffer.alloc(0), 2 ** 40),
    /over the limit of 4 MiB; the connection was closed/,
  ],
  ["bytes that are no spans", framed(Buffer.from("nonsense")), /spans of web: .*; the connection was closed/],
])("a guest that sends %s loses its connection, and the collector gets nothing", async (_, bytes, why) => {
  const socket = await agent();
  socket.resume().write(bytes);
  await once(socket, "close");
  expect(failures).toEqual([expect.stringMatching(why)]);
  expect(collector.posts).toEqual([]);
});

test("a collector that refuses spans is reported, and the next ones are sent", async () => {
  collector.status = 503;
  const socket = await agent();
  socket.write(framed(encodeSpans([SPAN], "guestd", "1")));
  await collector.next();
  collector.status = 200;
  socket.write(framed(encodeSpans([SPAN], "guestd", "1")));
  await collector.next();
  expect(failures).toEqual([`send spans to ${collector.url}/v1/traces: HTTP status 503; check the collector`]);
});

test("nothing is left of the socket", () => {
  forwarded.close();
  expect(existsSync(`${folder}/vm.vsock_10240`)).toBe(false);
});

test("spans over AF_VSOCK are refused", async () => {
  const endpoint = { url: new URL(collector.url), headers: {} };
  const vsock = forwardSpans("vsock://3:1024", "web", endpoint, () => undefined);
  await expect(vsock).rejects.toThrow("receive spans of vsock://3:1024: only agents at paths of unix sockets");
});
