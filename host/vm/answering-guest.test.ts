import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { waitUntilAnswering } from "./answering-guest.ts";

test("gives up a connection whose answer was lost, and returns once one is refused", async () => {
  await using device = await startDevice((connections) => connections > 2);
  await waitUntilAnswering(device.address, new AbortController().signal);
  expect(device.lines).toEqual(Array(3).fill("CONNECT 4294967294\n"));
});

test("ends with the reason of its signal while nothing answers", async () => {
  await using device = await startDevice(() => false);
  const reason = new Error("interrupted");
  const stop = new AbortController();
  const waiting = waitUntilAnswering(device.address, stop.signal);
  await expect.poll(() => device.lines.length).toBeGreaterThan(0);
  stop.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

/** Starts a hybrid vsock socket whose guest refuses connections when `answers` returns true, and is silent before. */
async function startDevice(answers: (connections: number) => boolean) {
  const directory = mkdtempSync(join(tmpdir(), "answering-"));
  const path = join(directory, "vm.vsock");
  const lines: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket.once("close", () => open.delete(socket)).on("error", () => undefined));
    socket.on("data", (line) => {
      lines.push(String(line));
      if (answers(lines.length)) socket.destroy();
    });
  }).listen(path);
  await once(server, "listening");
  return {
    lines,
    address: (port: number) => `hvsock://${path}:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
      rmSync(directory, { recursive: true });
    },
  };
}
