import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SFTPWrapper } from "ssh2";
import { expect, onTestFinished, test } from "vitest";
import { codec } from "../../../../proto/codec.ts";
import { guestd } from "../../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../../../proto/stream-frame.ts";
import { streamsPlace } from "../../../engine/guest/streams-place.ts";
import type { SshTarget } from "../ssh-target.ts";
import { serveSftp } from "./serve-sftp.ts";

const hello = encodeStreamFrame(
  "hello",
  STREAM.process,
  0,
  codec("guestd.v1.Hello", guestd.v1.Hello).encode({ version: 1, epoch: Buffer.of(1), stdout: {}, stderr: {} }),
);
const exit = encodeStreamFrame("exit", STREAM.process, 0, codec("guestd.v1.Exit", guestd.v1.Exit).encode({ code: 0 }));
const opened = encodeStreamFrame("data", STREAM.stderr, 0, Buffer.from("open\n"));

/** Returns a target whose agent runs the first process, opens files for the others, and then is silent. */
async function silentTarget(): Promise<SshTarget> {
  const directory = mkdtempSync(join(tmpdir(), "serve-sftp-"));
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const isFirst = sockets.push(socket) === 1;
    socket.on("error", () => undefined);
    socket.on("data", () => undefined);
    socket.once("data", () => socket.write(Buffer.concat([hello, isFirst ? exit : opened])));
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "agent.sock_1028"), resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(directory, { recursive: true });
  });
  const place = streamsPlace({ address: `unix://${join(directory, "agent.sock")}` });
  return { container: "web", ...place, process: (args) => ({ Args: [...args] }), findDeath: () => undefined };
}

test.each([
  ["writes", 2 | 8],
  ["reads", 1],
])("a client that %s and is gone doesn't keep it waiting for an agent that is silent", async (_, flags) => {
  const answered = Promise.withResolvers<Buffer>();
  const sftp = Object.assign(new EventEmitter(), {
    ...{ handle: (_id: number, handle: Buffer) => answered.resolve(handle), status: () => undefined },
    ...{ data: () => undefined, end: () => undefined },
  });
  const gone = new AbortController();
  const served = serveSftp(sftp as unknown as SFTPWrapper, await silentTarget(), gone.signal, 200);
  sftp.emit("OPEN", 1, "/tmp/file", flags, {});
  const handle = await answered.promise;
  if (flags === 1) sftp.emit("READ", 2, handle, 0, 100);
  else sftp.emit("WRITE", 2, handle, 0, Buffer.alloc(100));
  gone.abort();
  await expect(served).resolves.toBeUndefined();
});
