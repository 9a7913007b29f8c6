import { expect, test } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { GrpcClient } from "../../host/client/grpc-client.ts";
import { END_HEADERS, HEADERS, header, http2, PREFACE, RST_STREAM, SETTINGS } from "./testing/http2-frames.ts";
import { serve } from "./testing/serve.ts";

/** Encodes a call's header fields as literals. */
function headers(path: string, contentType: string): Buffer {
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "x",
    "content-type": contentType,
  };
  return Buffer.concat(Object.entries(fields).map(([name, value]) => header(name, value)));
}

const CANCEL = 8;
const INTERNAL_ERROR = 2;

test.each([
  ["an unknown method", "a cancellation", "/test.Echo/Nope", "application/grpc", CANCEL],
  ["an unknown method", "an error", "/test.Echo/Nope", "application/grpc", INTERNAL_ERROR],
  ["a foreign content type", "a cancellation", "/test.Echo/Echo", "text/plain", CANCEL],
  ["a foreign content type", "an error", "/test.Echo/Echo", "text/plain", INTERNAL_ERROR],
])(
  "a call of %s that is reset by %s within its own packet ends alone, and its connection continues",
  async (_method, _reset, path, type, code) => {
    await using served = await serve();
    const call = [
      http2(HEADERS, END_HEADERS, 1, headers(path, type)),
      http2(RST_STREAM, 0, 1, Buffer.of(0, 0, 0, code)),
    ];
    const socket = await served.dial();
    socket.write(Buffer.concat([PREFACE, http2(SETTINGS, 0, 0), ...call]));
    await new Promise((resolve) => socket.once("data", resolve)); // the server's settings
    await using client = new GrpcClient(await dial(served.address));
    expect(Buffer.from(await client.call("test.Echo", "Echo", Buffer.from("x"))).toString()).toBe("x");
    socket.destroy();
  },
);
