import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { health } from "../../../../proto/gen/services.js";
import { connect } from "../../../client/agent-client.ts";
import { parseConversation } from "../../format/read-conversation.ts";
import type { CallEntries } from "../call-entries.ts";
import { startRecording } from "../record.ts";
import { grpcEntries } from "./grpc-entries.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { decodeHuffman } from "./huffman.ts";

/** Answers one call, by its path. */
async function serve(stream: ServerHttp2Stream, path: string): Promise<void> {
  const request = await buffer(stream);
  if (path.endsWith("/GetOOMEvent")) return;
  if (path.endsWith("/WaitProcess")) {
    stream.respond({ ":status": 200, "grpc-status": 5, "grpc-message": "no%20process" }, { endStream: true });
    return;
  }
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  const serving = Buffer.from(health.Check.response.encode({ status: 1 }));
  const message = path.endsWith("/Check") ? serving : request.subarray(5);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
}

test("calls, errors, limits, metadata and cancellations of a gRPC connection are recorded", async () => {
  const folder = mkdtempSync(join(tmpdir(), "guestd-grpc-"));
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    void serve(stream, String(headers[":path"]));
  });
  server.listen(join(folder, "agent.sock"));
  await once(server, "listening");
  const [file, listen] = [join(folder, "c.jsonl"), `unix://${folder}/recorded.sock`];
  const recording = await startRecording({ listen, to: `unix://${folder}/agent.sock`, file, onError: () => undefined });

  const client = await connect(listen, { protocol: "grpc" });
  const large = Buffer.alloc(300_000, "output ");
  const stop = new AbortController();
  const poll = client.agent.getOOMEvent({}, { signal: stop.signal });
  for (let count = 0; count < 3; count++) {
    await client.health.check({}, { timeoutMs: 50_000, metadata: { traceparent: `00-${count}`, same: "value" } });
  }
  // The server echoes: the fields of the request and of the response have other names.
  await client.channel.call("some.Service", "Echo", large);
  await expect(client.agent.waitProcess({ container_id: "c" })).rejects.toThrow("no process");
  stop.abort();
  await expect(poll).rejects.toThrow("canceled");
  await expect.poll(() => readFileSync(file, "utf8")).toContain("the stream was reset with code 8");
  await client.close();
  await recording[Symbol.asyncDispose]();
  server.close();

  const text = readFileSync(file, "utf8");
  rmSync(folder, { recursive: true });
  expect(JSON.parse(text.split("\n", 1)[0] ?? "")).toMatchObject({ protocol: "grpc" });
  const calls = parseConversation(text, file).flatMap((entry) => {
    if (entry.kind === "request") {
      const payload = entry.payload === undefined ? entry.message : Buffer.from(entry.payload, "base64").length;
      return [[entry.method, payload, entry.timeout_ms, entry.metadata]];
    }
    if (entry.kind === "response") return [[entry.method, entry.message ?? "bytes"]];
    return entry.kind === "error" ? [[entry.method, entry.code, entry.text]] : [];
  });
  expect(calls).toEqual([
    ["GetOOMEvent", {}, undefined, undefined],
    ...[0, 1, 2].flatMap((count) => [
      ["Check", {}, 50_000, { traceparent: `00-${count}`, same: "value" }],
      ["Check", { status: "SERVING" }],
    ]),
    ["Echo", 300_000, undefined, undefined],
    ["Echo", "bytes"],
    ["WaitProcess", { container_id: "c" }, undefined, undefined],
    ["WaitProcess", 5, "no process"],
  ]);
});

test("headers without an end are not kept without bound, in whatever frames they come", () => {
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header.set([type, flags], 3);
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, payload]);
  };
  const status = Buffer.alloc(4000, 0x88); // ":status: 200" in HPACK
  const attacks: [string, (at: number) => Buffer][] = [
    ["one message", () => frame(1, 4, 1, status)],
    ["many messages", (at) => frame(1, 4, 2 * at + 1, status)],
    ["continuations", (at) => frame(at === 0 ? 1 : 9, 0, 1, Buffer.alloc(1000, 0x88))],
  ];
  const lost = attacks.map(([name, bytes]) => {
    const lines: string[] = [];
    const reader = grpcEntries({ lost: (_: unknown, why: string) => lines.push(why) } as unknown as CallEntries);
    for (let at = 0; at < 1000; at++) reader.push("response", bytes(at));
    return [name, ...lines];
  });
  const unfinished = "not recorded from here on: headers of unfinished messages of over 16 MiB";
  expect(lost).toEqual([
    ["one message", unfinished],
    ["many messages", unfinished],
    ["continuations", "not recorded from here on: headers of over 128 KiB"],
  ]);
});

test("a body in many small frames is recorded", () => {
  const bodies: Buffer[] = [];
  const entries = { response: (_: unknown, { payload }: { payload: Buffer }) => bodies.push(payload) };
  const reader = grpcEntries(entries as unknown as CallEntries);
  const message = Buffer.concat([Buffer.of(0, 0, 0, 0, 3), Buffer.from("abc")]);
  for (const [at, byte] of [...message].entries()) {
    reader.push("response", Buffer.of(0, 0, 0, 0, 0, 0, 0, 0, 1)); // empty
    reader.push("response", Buffer.of(0, 0, 1, 0, at === message.length - 1 ? 1 : 0, 0, 0, 0, 1, byte));
  }
  expect(bodies.map(String)).toEqual(["abc"]);
});

test("decodes the header blocks of the standard's examples", () => {
  const decoder = new HpackDecoder();
  const first = "828684418cf1e3c2e5f23a6ba0ab90f4ff";
  const authority = [":authority", "www.example.com"];
  const get = [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
  ];
  expect(decoder.decode(Buffer.from(first, "hex"))).toEqual([...get, authority]);
  expect(decoder.decode(Buffer.from("828684be5886a8eb10649cbf", "hex"))).toEqual([
    ...get,
    authority,
    ["cache-control", "no-cache"],
  ]);
  expect(decodeHuffman(Buffer.from("25a849e95ba97d7f", "hex"))).toBe("custom-key");
});

test("refuses blocks that are invalid or expand to too much", () => {
  const decode = (hex: string) => () => new HpackDecoder().decode(Buffer.from(hex, "hex"));
  expect(decode("be")).toThrow("no header field has the index 62");
  expect(decode("80")).toThrow("no header field has the index 0");
  expect(decode("4005aa")).toThrow("a header block without its end");
  expect(decode("ffffffffffff")).toThrow("an integer of over 28 bits");
  expect(decode("3fffff7f")).toThrow("a header table of over 64 KiB");
  expect(decode("408100")).toThrow("a Huffman code without its end");
  const bomb = Buffer.concat([
    Buffer.from("400178", "hex"),
    Buffer.from("7fa11e", "hex"),
    Buffer.alloc(4000, "a"),
    Buffer.alloc(100, 0xbe),
  ]);
  expect(() => new HpackDecoder().decode(bomb)).toThrow("headers of over 256 KiB");
});

test("any bytes are decoded, or refused with a RangeError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        new HpackDecoder().decode(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
  );
});
