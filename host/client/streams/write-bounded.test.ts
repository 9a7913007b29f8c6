import { Duplex, PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { firstFrame } from "./forward-frames.ts";
import { writeBounded } from "./write-bounded.ts";

/** A connection to an agent that reads nothing. */
function unread(): Duplex {
  return new Duplex({ read: () => undefined, write: () => undefined }).on("error", () => undefined);
}

test("answers wait for an agent that doesn't read up to 1 MiB, then its connection ends", () => {
  const socket = unread();
  const pong = Buffer.alloc(16);
  let written = 0;
  while (!socket.destroyed && written < 1 << 24) {
    writeBounded(socket, pong);
    written += pong.length;
  }
  expect(socket.destroyed).toBe(true);
  expect(written).toBeLessThanOrEqual((1 << 20) + 32);
  expect(socket.errored?.message).toBe("the agent doesn't read what it asks for");
  writeBounded(socket, pong);
});

test("a first frame that is announced longer than any frame is refused by its header", async () => {
  const socket = new PassThrough();
  const frame = firstFrame(socket, new AbortController().signal);
  const header = Buffer.alloc(16);
  header[0] = 44;
  header[1] = 3;
  header.writeUInt32BE(0xffff_fff0, 4);
  socket.write(header);
  await expect(frame).rejects.toThrow("forward: the agent announces an answer of 4294967296 bytes");
  expect(socket.destroyed).toBe(true);
});
