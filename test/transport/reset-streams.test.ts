import { expect, test } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { GrpcClient } from "../../host/client/grpc-client.ts";
import { serve } from "./serve.ts";

const [HEADERS, RST_STREAM, SETTINGS] = [1, 3, 4];
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Header fields of a call, each as a literal. */
function headers(path: string, contentType: string): Buffer {
  const fields = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "x"],
    ["content-type", contentType],
  ];
  const word = (text = "") => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), word(name), word(value)])));
}

test.each([
  ["an unknown method", "/test.Echo/Nope", "application/grpc"],
  ["another content type", "/test.Echo/Echo", "text/plain"],
])("a call of %s that is reset in the packet that it comes in ends itself and nothing else", async (_, path, type) => {
  await using served = await serve();
  const call = [frame(HEADERS, 4, 1, headers(path, type)), frame(RST_STREAM, 0, 1, Buffer.of(0, 0, 0, 8))];
  const socket = await served.dial();
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0)), ...call]));
  await new Promise((resolve) => socket.once("data", resolve)); // its settings
  await using client = new GrpcClient(await dial(served.address));
  expect(Buffer.from(await client.call("test.Echo", "Echo", Buffer.from("x"))).toString()).toBe("x");
  socket.destroy();
});
