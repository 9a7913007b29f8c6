import { codec, DecodeError } from "../../../../proto/codec.ts";
import { guestd } from "../../../../proto/gen/messages.js";
import { encodeStreamFrame, StreamFrameError, StreamFrameParser } from "../../../../proto/stream-frame.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const { Attach, Hello, Exit } = guestd.v1;
const attach = codec("guestd.v1.Attach", Attach);

/** Begins with the sender, and the size of the pieces in which the rest arrives. */
export const streamFrames: FuzzTarget = {
  name: "stream-frames",
  promise:
    "bytes in pieces of any size are the same frames and the same error as in one piece, and each frame encodes as it was",
  seeds: () => {
    const process = { Args: ["sh"], Env: ["A=b"], Cwd: "/", Terminal: true };
    const first = attach.encode({ version: 1, container_id: "c", exec_id: "x", client: "k", process, stdout_from: 7 });
    const fromClient = [
      encodeStreamFrame("attach", 3, 0, first),
      encodeStreamFrame("stdin", 0, 5, Buffer.from("input")),
      encodeStreamFrame("ack", 1, 2 ** 40),
    ];
    const hello = Hello.encode({ version: 1, epoch: Buffer.alloc(16, 1), stdout: { base: 1, end: 9 }, stdin: 3 });
    const fromAgent = [
      encodeStreamFrame("hello", 3, 0, hello.finish(true)),
      encodeStreamFrame("data", 2, 1, Buffer.from("output")),
      encodeStreamFrame("exit", 3, 0, Exit.encode({ code: 1, stdout: 9 }).finish(true)),
    ];
    return [Buffer.concat([Buffer.of(0, 3), ...fromClient]), Buffer.concat([Buffer.of(1, 200), ...fromAgent])];
  },
  run(input) {
    const sender = (input[0] ?? 0) % 2 === 0 ? "client" : "agent";
    const size = Math.max(input[1] ?? 1, 1);
    const bytes = input.subarray(2);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    const whole = parse(sender, [bytes]);
    const cut = parse(sender, pieces);
    promise(whole.error === cut.error, "pieces make the same error");
    // In one piece, frames before the error are not returned.
    if (whole.error === "") promise(whole.frames.equals(cut.frames), "pieces make the same frames");
    promise(bytes.subarray(0, cut.frames.length).equals(cut.frames), "the frames encode as they were");
  },
};

/** Returns the frames, encoded again, and the error after them. */
function parse(sender: "client" | "agent", pieces: readonly Buffer[]): { frames: Buffer; error: string } {
  const parser = new StreamFrameParser(sender);
  const frames: Buffer[] = [];
  let error = "";
  try {
    for (const piece of pieces) {
      for (const { type, stream, offset, payload } of parser.push(piece)) {
        frames.push(encodeStreamFrame(type, stream, offset, payload));
        if (type === "attach") readAttach(payload);
      }
    }
  } catch (thrown) {
    refuses(thrown, StreamFrameError);
    error = (thrown as Error).message;
  }
  return { frames: Buffer.concat(frames), error };
}

function readAttach(payload: Uint8Array): void {
  try {
    attach.decode(payload);
  } catch (error) {
    refuses(error, DecodeError);
  }
}
