import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connectSingleBuffer } from "./single-buffer-socket.ts";

/** Connects to a server of this test; returns both ends. */
async function connected(): Promise<{ socket: Socket; peer: Socket }> {
  const directory = mkdtempSync(join(tmpdir(), "single-buffer-"));
  const path = join(directory, "socket");
  const server = createServer().listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const socket = connectSingleBuffer(path);
  await once(socket, "connect");
  const [peer] = await accepted;
  onTestFinished(() => {
    for (const end of [socket, peer]) end.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return { socket, peer };
}

const bytesOf = (count: number) => Buffer.from(Array.from({ length: count }, (_, at) => (at * 7 + (at >> 8)) & 0xff));

test("chunks stay valid while the listener keeps the socket paused, and all bytes arrive in order", async () => {
  const { socket, peer } = await connected();
  const sent = bytesOf(3_000_000);
  const got: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => {
    socket.pause();
    // A timer, so that the kernel could deliver more meanwhile.
    setTimeout(() => {
      got.push(Buffer.from(chunk));
      socket.resume();
    }, 1);
  });
  peer.end(sent);
  await once(socket, "end");
  expect(Buffer.concat(got).equals(sent)).toBe(true);
});

test("what is read before a listener exists is a copy, and precedes what the listener gets", async () => {
  const { socket, peer } = await connected();
  peer.write("OK 1\n");
  await once(socket, "readable");
  const line = socket.read() as Buffer;
  const got: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => got.push(Buffer.from(chunk)));
  peer.end("later");
  await once(socket, "end");
  expect([line.toString(), Buffer.concat(got).toString()]).toEqual(["OK 1\n", "later"]);
});

test("iteration yields copies", async () => {
  const { socket, peer } = await connected();
  const sent = bytesOf(1_000_000);
  peer.end(sent);
  const got: Buffer[] = [];
  for await (const chunk of socket) got.push(chunk as Buffer);
  expect(Buffer.concat(got).equals(sent)).toBe(true);
});
