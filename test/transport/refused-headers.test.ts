import { expect, test, vi } from "vitest";
import { DATA, END_HEADERS, END_STREAM, HEADERS, header, http2, PREFACE, SETTINGS } from "./testing/http2-frames.ts";
import { serve } from "./testing/serve.ts";

test("the value of a gRPC header that grpc-js refuses isn't printed", async () => {
  const printed = vi.spyOn(console, "error").mockReturnValue();
  await using served = await serve();
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/test.Echo/Echo",
    ":authority": "x",
    "content-type": "application/grpc",
    token: "sec\tret",
  };
  const block = Buffer.concat(Object.entries(fields).map(([name, value]) => header(name, value)));
  const call = [http2(HEADERS, END_HEADERS, 1, block), http2(DATA, END_STREAM, 1, Buffer.alloc(5))];
  const socket = await served.dial();
  socket.resume().write(Buffer.concat([PREFACE, http2(SETTINGS, 0, 0), ...call]));
  await expect.poll(() => served.table.calls.length).toBe(1);
  socket.destroy();
  expect(printed).not.toHaveBeenCalled();
});
