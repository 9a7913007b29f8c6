import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { codec } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../proto/stream-frame.ts";
import { readContainerLog } from "./container-log.ts";

const hello = codec("guestd.v1.Hello", guestd.v1.Hello);
const MIB = 1 << 20;

/** Plays an agent that announces 32 TiB of past, and sends it as fast as it is read. Returns how much of it was sent. */
async function playAgent(piece: Buffer) {
  const directory = mkdtempSync(join(tmpdir(), "guestd-log-"));
  const sent = { bytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const send = () => {
      while (!socket.destroyed) {
        const frame = encodeStreamFrame("data", STREAM.stdout, sent.bytes, piece);
        sent.bytes += piece.length;
        if (!socket.write(frame)) return;
      }
    };
    socket.once("data", () => {
      const output = { start: 0, end: 2 ** 45, keep_bytes: 2 ** 45 };
      socket.write(
        encodeStreamFrame(
          "hello",
          STREAM.process,
          0,
          hello.encode({ version: 1, epoch: Buffer.of(1), stdout: output, stderr: { start: 0 } }),
        ),
      );
      socket.on("drain", send);
      send();
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "agent"), resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(directory, { recursive: true, force: true });
  });
  return { address: `unix://${join(directory, "agent")}`, sent };
}

/** Reads the log until `isEnough`, and returns what was printed and the most that was sent and not printed, in bytes. */
async function read(piece: Buffer, tail: number | undefined, isEnough: (printed: number, sent: number) => boolean) {
  const agent = await playAgent(piece);
  const stop = new AbortController();
  const warnings: string[] = [];
  let [printed, held] = [0, 0];
  const check = setInterval(() => {
    if (isEnough(printed, agent.sent.bytes)) stop.abort();
  }, 20);
  onTestFinished(() => clearInterval(check));
  await readContainerLog(agent.address, "web", {
    ...{ follow: false, tail, since: undefined, timestamps: false, signal: stop.signal },
    warn: (line) => warnings.push(line),
    print: async (_, bytes) => {
      held = Math.max(held, agent.sent.bytes - printed);
      printed += bytes.length;
      if (isEnough(printed, agent.sent.bytes)) stop.abort();
    },
  });
  return { printed, held, warnings };
}

test("an endless past is printed as it arrives", async () => {
  const line = Buffer.from(`${"x".repeat(60_000)}\n`);
  const { printed, held } = await read(line, undefined, (count) => count > 100 * MIB);
  expect(printed).toBeGreaterThan(100 * MIB);
  expect(held).toBeLessThan(24 * MIB);
});

test("an endless past of short lines counts for what they take", async () => {
  const { held } = await read(Buffer.alloc(4096, "\n"), undefined, (count) => count > 1000);
  expect(held).toBeLessThan(4 * MIB);
});
