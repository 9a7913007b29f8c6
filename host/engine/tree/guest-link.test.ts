import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { codec, type Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import { GuestLink } from "./guest-link.ts";

/** Code of the frame that asks for updates. */
const WATCH = 50;

const update = codec("guestd.v1.WatchUpdate", guestd.v1.WatchUpdate);
const frame = (message: Init<guestd.v1.WatchUpdate>) =>
  encodeStreamFrame("watchUpdate", STREAM.process, 0, update.encode(message));

function flood(socket: Socket, bytes: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on("error", () => undefined).on("drain", more);
  more();
}

test("an agent that sends updates without end leaves time for other guests", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guest-link-"));
  const sockets = new Set<Socket>();
  const ids = Array.from({ length: 2000 }, (_, at) => ({ id: at + 1 }));
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("data", (request: Buffer) => {
      if (request[0] !== WATCH) return;
      socket.write(Buffer.concat([frame({ whole: true, more: true, processes: ids }), frame({ micros: 1 })]));
      flood(socket, Buffer.concat(Array.from({ length: 4000 }, () => frame({ micros: 2 }))));
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "agent.sock_1028"), resolve));
  const target = { address: `unix://${join(directory, "agent.sock")}` };
  const link = new GuestLink(target, {
    intervalMs: 1000,
    share: () => 8192,
    processes: () => [],
    onChange: () => undefined,
  });
  onTestFinished(() => {
    link.close();
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(directory, { recursive: true });
  });
  await expect.poll(() => link.node().link).toBe("live");
  for (let turn = 0; turn < 150; turn++) await sleep(0);
  expect(link.node().link).toBe("live");
});
