import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { codec } from "../../../../proto/codec.ts";
import { guestd } from "../../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../../../proto/stream-frame.ts";

const hello = codec("guestd.v1.Hello", guestd.v1.Hello);

/** Plays an agent that announces a past of `end` bytes, and sends pieces of it as fast as they are read. */
export async function playLogAgent(
  pieces: Iterator<Uint8Array>,
  end: number,
): Promise<{ readonly address: string; readonly sent: { readonly bytes: number } }> {
  const directory = mkdtempSync(join(tmpdir(), "guestd-log-"));
  const sent = { bytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const send = () => {
      while (!socket.destroyed) {
        const { done, value } = pieces.next();
        if (done) return;
        const frame = encodeStreamFrame("data", STREAM.stdout, sent.bytes, value);
        sent.bytes += value.length;
        if (!socket.write(frame)) return;
      }
    };
    socket.once("data", () => {
      const output = { start: 0, end, keep_bytes: 2 ** 45 };
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
