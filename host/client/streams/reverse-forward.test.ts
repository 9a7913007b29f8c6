import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { encodeStreamFrame, STREAM, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { reverseForward } from "./reverse-forward.ts";

const frame = (type: Parameters<typeof encodeStreamFrame>[0], offset = 0) =>
  encodeStreamFrame(type, STREAM.process, offset);

/** Plays an agent that reports `waiting` connections at once, and answers each connection of the client to take one. */
async function playAgent(waiting: number) {
  const directory = mkdtempSync(join(tmpdir(), "guestd-reverse-"));
  const sockets = new Set<Socket>();
  const forwards: Socket[] = [];
  let listener: Socket | undefined;
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const parser = new StreamFrameParser("client");
    socket.on("data", (chunk: Buffer) => {
      for (const { type } of parser.push(chunk)) {
        if (type === "forwardListen") {
          listener = socket;
          socket.write(
            Buffer.concat([frame("forwardListening", 8080), ...Array(waiting).fill(frame("forwardWaiting"))]),
          );
        } else if (type === "forward" || type === "forwardJoin") {
          if (type === "forward") forwards.push(socket);
          socket.write(frame("forwarded"));
        } else if (type === "forwardEnd") socket.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "agent"), resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(directory, { recursive: true, force: true });
  });
  const wait = () => void listener?.write(frame("forwardWaiting"));
  return { address: `unix://${join(directory, "agent")}`, sockets, forwards, wait };
}

test("a burst of waiting connections opens 128, and one more for each that ends", async () => {
  const agent = await playAgent(60_000);
  const [taken, errors]: [Duplex[], string[]] = [[], []];
  const reverse = reverseForward(
    agent.address,
    { container: "web", port: 8080 },
    {
      onConnection: (stream) => taken.push(stream.on("error", () => undefined)),
      onError: ({ message }) => errors.push(message),
    },
  );
  onTestFinished(() => reverse.close());
  expect(await reverse.listening).toBe(8080);
  await expect.poll(() => taken.length).toBe(128);
  const line = "forward: 128 connections of this listener are open; further ones are refused until one ends";
  expect(errors).toEqual([line]);
  expect(agent.sockets.size).toBe(257);
  taken[0]?.destroy();
  await new Promise((resolve) => taken[0]?.once("close", resolve));
  agent.wait();
  agent.wait();
  await expect.poll(() => taken.length).toBe(129);
  await expect.poll(() => errors).toEqual([line, line]);
  for (const stream of taken) stream.destroy();
  reverse.close();
  await reverse.closed;
});
