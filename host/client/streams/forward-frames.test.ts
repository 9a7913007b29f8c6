import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import { greet } from "./forward-frames.ts";

/** Greets an agent whose bytes are given, and which takes everything. */
function greeted(...chunks: readonly Uint8Array[]) {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const answer = greet(socket, "forward", Buffer.of(1), new AbortController().signal);
  for (const chunk of chunks) socket.push(chunk);
  return { socket, answer };
}

const forwarded = encodeStreamFrame("forwarded", STREAM.process, 0);

test("bytes after the agent's first frame stay in the socket, wherever chunks are cut", async () => {
  const bytes = Buffer.concat([forwarded, Buffer.from("data")]);
  for (let at = 1; at < bytes.length; at++) {
    const { socket, answer } = greeted(bytes.subarray(0, at), bytes.subarray(at));
    await answer;
    expect(String(socket.read())).toBe("data");
  }
});

test("a first frame that is announced longer than any frame is refused by its header", async () => {
  const header = Buffer.from(forwarded);
  header.writeUInt32BE(0xffff_fff0, 4);
  const { socket, answer } = greeted(header);
  await expect(answer).rejects.toThrow("its length is 4294967280, over");
  expect(socket.destroyed).toBe(true);
});

test("an agent whose connection ends or breaks before its answer is cut", async () => {
  const ended = greeted(forwarded.subarray(0, 3));
  ended.socket.push(null);
  const message = "the agent closed the connection before it answered";
  await expect(ended.answer).rejects.toMatchObject({ kind: "cut", message });
  const broken = greeted();
  broken.socket.destroy(new Error("read ECONNRESET"));
  await expect(broken.answer).rejects.toMatchObject({ kind: "cut", message: "read ECONNRESET" });
});
