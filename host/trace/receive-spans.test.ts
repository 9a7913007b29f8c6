import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { receiveSpans } from "./receive-spans.ts";

/** Connects as a guest does. Returns what was taken so far, and the reports of failures. */
async function guest() {
  const folder = mkdtempSync(join(tmpdir(), "spans-"));
  const taken: Buffer[] = [];
  const failures: string[] = [];
  const take = (message: Uint8Array) => void taken.push(Buffer.from(message));
  const received = await receiveSpans(`unix://${folder}/agent`, "web", take, (line) => failures.push(line));
  const socket = connect(`${folder}/agent_10240`).on("error", () => undefined);
  onTestFinished(() => {
    socket.destroy();
    received.close();
    rmSync(folder, { recursive: true });
  });
  return { socket, taken, failures };
}

function message(content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(content.length));
  return Buffer.concat([head, content]);
}

test.each([1, 7, 100, 100_000])("messages arrive whole, in pieces of %d bytes", async (size) => {
  const { socket, taken } = await guest();
  const contents = ["one", "", "x".repeat(1000), "last"].map((text) => Buffer.from(text));
  const bytes = Buffer.concat(contents.map(message));
  for (let at = 0; at < bytes.length; at += size) {
    await new Promise((resolve) => socket.write(bytes.subarray(at, at + size), resolve));
  }
  await expect.poll(() => taken.length).toBe(contents.length);
  expect(taken).toEqual(contents);
});

test("a message that is announced with more than 4 MiB ends the connection, in one line", async () => {
  const { socket, taken, failures } = await guest();
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(2n ** 40n);
  socket.write(Buffer.concat([message(Buffer.from("one")), head]));
  await expect.poll(() => socket.destroyed || socket.readableEnded || failures.length > 0).toBe(true);
  expect(failures).toEqual([
    "spans of web: a message of 1099511627776 bytes is over the limit of 4 MiB; the connection was closed",
  ]);
  expect(taken.map(String)).toEqual(["one"]);
});
