import { createServer } from "node:net";
import { codec, type Init } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { encodeStreamFrame, type FrameType, STREAM, StreamFrameParser } from "../../proto/stream-frame.ts";
import { RawStreams } from "./raw-streams.ts";

const copy = codec("guestd.v1.Copy", guestd.v1.Copy);
const ready = codec("guestd.v1.CopyReady", guestd.v1.CopyReady);
const end = codec("guestd.v1.CopyEnd", guestd.v1.CopyEnd);

function* framesOf(archive: Buffer): Generator<readonly [FrameType, number, Uint8Array]> {
  for (let at = 0; at < archive.length; at += 30_000) yield ["copyData", at, archive.subarray(at, at + 30_000)];
  yield ["copyEnd", archive.length, end.encode({ version: 1 })];
}

/** Sends an archive, whatever it contains, into a container. Rejects with the agent's error. */
export async function sendArchive(
  address: string,
  place: { readonly container: string; readonly path: string },
  archive: Buffer,
): Promise<void> {
  await using raw = await RawStreams.connect(address);
  const request = { version: 1, container_id: place.container, path: place.path, in: true, copy_id: "hostile-copy" };
  raw.send("copy", STREAM.process, 0, copy.encode({ ...request, name: Buffer.from("top"), directory: true }));
  for (const [type, offset, payload] of framesOf(archive)) raw.send(type, STREAM.process, offset, payload);
  const failed = raw.error().then(
    (line) => line,
    () => undefined, // the connection ended without one
  );
  const line = await Promise.race([
    raw.frame("copyEnd").then(
      () => undefined,
      () => failed,
    ),
    failed,
  ]);
  if (line !== undefined) throw new Error(line);
}

/** Plays an agent of a guest that sends this archive, by default as the directory "top", to each client that copies. */
export async function playAgent(
  path: string,
  archive: () => Buffer,
  calledIt: () => Init<guestd.v1.CopyReady> = () => ({ name: Buffer.from("top"), directory: true }),
): Promise<{ readonly address: string } & Disposable> {
  const server = createServer((socket) => {
    const parser = new StreamFrameParser("client");
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      for (const { type } of parser.push(chunk)) {
        if (type !== "copy") continue;
        const answer = ready.encode({ version: 1, ...calledIt() });
        socket.write(encodeStreamFrame("copyReady", STREAM.process, 0, answer));
        for (const frame of framesOf(archive())) {
          const [kind, offset, payload] = frame;
          socket.write(encodeStreamFrame(kind, STREAM.process, offset, payload));
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { address: `unix://${path}`, [Symbol.dispose]: () => void server.close() };
}
