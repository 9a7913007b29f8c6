import { closeSync } from "node:fs";
import { STREAM, type StreamFrame } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import type { CoreReading, Cores } from "../../service/streams/cores.ts";
import type { ConnectionKinds } from "./attachment-connection.ts";
import type { FrameStream } from "./frame-stream.ts";

/** Bytes of a frame: every vsock device takes a write of them. */
const PIECE_BYTES = 32 * 1024 - 16;

/** Connections that read a core dump; `load` returns the part of the agent that has them. */
export function coresKinds(load: () => Promise<Cores>): ConnectionKinds {
  return {
    async core({ frames, payload }) {
      const cores = await load();
      const reading = cores.open(payload);
      send(frames, reading)
        .catch((error: unknown) => frames.fail(error))
        .finally(() => closeSync(reading.fd));
      const take = ({ type, offset }: StreamFrame) => {
        if (type !== "ping") throw new AgentError("invalid-argument", `frame ${type}: it may not follow the first one`);
        frames.push("pong", STREAM.process, offset);
      };
      const request = Uint8Array.from(payload); // the frame is a view of what was read with it
      return { take, close: () => undefined, checkAgain: () => cores.checkPolicy(request) };
    },
  };
}

/** Sends a core as fast as the client reads it. */
async function send(frames: FrameStream, { start, from, size, read }: CoreReading): Promise<void> {
  await frames.send("coreStart", STREAM.process, 0, start);
  const piece = Buffer.alloc(PIECE_BYTES);
  let at = from;
  for (let length = 0; at < size; at += length) {
    frames.signal.throwIfAborted();
    length = read(piece, at);
    if (length === 0) throw new AgentError("internal", `get a core dump: its file ends at byte ${at}`);
    await frames.send("coreData", STREAM.process, at, piece.subarray(0, length));
    await new Promise(setImmediate); // other clients' turn
  }
  frames.push("coreEnd", STREAM.process, at);
  frames.end();
}
