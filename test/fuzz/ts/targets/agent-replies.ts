import { Duplex } from "node:stream";
import { RpcError } from "../../../../host/client/rpc-error.ts";
import { TtrpcClient } from "../../../../host/client/ttrpc-client.ts";
import { bootMarks, bootTimeline, timelineText } from "../../../../host/engine/guest/boot-timeline.ts";
import { Console } from "../../../../host/vm/console.ts";
import { ttrpc } from "../../../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE } from "../../../../proto/ttrpc-frame.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const reply = (streamId: number, message: Parameters<typeof ttrpc.Response.encode>[0]) => {
  const body = ttrpc.Response.encode(message).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_RESPONSE, flags: 0 }), body]);
};

export const agentReplies: FuzzTarget = {
  name: "agent-replies",
  promise:
    "a hostile guest's replies, log lines and console output become answers, RpcErrors and lines without control characters, and every call ends",
  seeds: () => [
    Buffer.concat([
      Buffer.of(20),
      reply(3, { payload: Buffer.of(10, 1, 97) }),
      reply(1, { status: { code: 5, message: "not found" } }),
    ]),
    `\x05{"msg":"listening","marks":{"init":1,"agent":2,"loaded":3,"listening":4}}\r\n\x1b[31mKernel panic\x1b[0m\n`,
  ],
  words: ['"msg":"listening"', '"marks":{', "\x1b[", "\r\n", "Kernel panic"],
  async run(input) {
    const size = Math.max(input[0] ?? 1, 1);
    const bytes = input.subarray(1);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    show(pieces);
    await talk(pieces);
    for (const line of bytes.toString("utf8").split("\n")) {
      const marks = bootMarks(line);
      if (marks !== undefined)
        promise(
          timelineText(bootTimeline({ qemu: 0, ready: 5 } as never, 6, marks)).startsWith("QEMU"),
          "a timeline is one line",
        );
    }
  },
};

async function talk(pieces: readonly Buffer[]): Promise<void> {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const client = new TtrpcClient(stream);
  const calls = ["A", "B"].map((method) => client.call("s", method, Buffer.alloc(0)).catch((error: unknown) => error));
  for (const piece of pieces) stream.push(Buffer.from(piece));
  stream.push(null);
  for (const answer of await Promise.all(calls)) if (!(answer instanceof Uint8Array)) oneOfOurs(answer);
  await client.closed;
}

/** Accepts our own errors. A guest's message may have several lines; the code that prints it shortens it. */
function oneOfOurs(error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
  refuses(new RpcError(error.code, ""), RpcError);
}

function show(pieces: readonly Buffer[]): void {
  const shown = new Console({ lines: 100 });
  for (const piece of pieces) shown.take(piece);
  shown.end();
  for (const line of shown.lastWords()) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the check is for them
    promise(!/[\x00-\x08\x0b-\x1f\x7f]/.test(line), "a line has no control character for a terminal");
    promise(line.length <= 4096, "a line is bounded");
  }
}
