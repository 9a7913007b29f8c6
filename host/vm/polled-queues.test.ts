import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { polledQueues } from "./polled-queues.ts";

/** Node awaits events by epoll with the descriptor as data, as device programs do with the number of a queue. */
test("lists what a process awaits by epoll, and nothing of one that has ended", async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  await expect.poll(() => polledQueues(process.pid).has(fd)).toBe(true);
  server.close();
  await expect.poll(() => polledQueues(process.pid).has(fd)).toBe(false);
  expect(polledQueues(2 ** 22 + 1)).toEqual(new Set());
});
