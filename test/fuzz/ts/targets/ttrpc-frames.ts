import { readKept, readRequest } from "../../../../agent/transport/ttrpc-request.ts";
import { statusFrame } from "../../../../agent/transport/ttrpc-response.ts";
import { ttrpc } from "../../../../proto/gen/messages.js";
import {
  encodeHeader,
  FRAME_REQUEST,
  type Frame,
  FrameParser,
  HEADER_BYTES,
  type OversizeFrame,
} from "../../../../proto/ttrpc-frame.ts";
import { type FuzzTarget, promise } from "../target.ts";

const seed = (service: string, method: string, payload: Uint8Array) => {
  const metadata = [{ key: "traceparent", value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }];
  const body = ttrpc.Request.encode({ service, method, payload, timeout_nano: 1e9, metadata }).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId: 1, type: FRAME_REQUEST, flags: 0 }), body]);
};

export const ttrpcFrames: FuzzTarget = {
  name: "ttrpc-frames",
  promise:
    "bytes in pieces of any size are the same frames as in one piece, each a request or a status, and the memory budget is released",
  seeds: () => {
    const [one, two] = [
      seed("grpc.Health", "Check", Buffer.of(10, 0)),
      seed("grpc.AgentService", "ReadStdout", Buffer.alloc(70)),
    ];
    return [Buffer.concat([Buffer.of(3), one, two]), Buffer.concat([Buffer.of(200), two, one, one.subarray(0, 7)])];
  },
  run(input) {
    const size = Math.max(input[0] ?? 1, 1);
    const bytes = input.subarray(1);
    const whole = parse([bytes]);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    const cut = parse(pieces);
    promise(whole.texts.join() === cut.texts.join(), "pieces give the same frames");
    promise(whole.left === 0 && cut.left === 0, `the memory budget is released: ${whole.left}, ${cut.left}`);
  },
};

function parse(pieces: readonly Buffer[]): { readonly texts: readonly string[]; readonly left: number } {
  let taken = 0;
  let most = 0;
  const take = (bytes: number) => {
    if (taken + bytes > 65_536) return false;
    taken += bytes;
    most = Math.max(most, taken);
    return true;
  };
  const parser = new FrameParser({ take, takePiece: take, give: (bytes) => (taken -= bytes) });
  const texts: string[] = [];
  let given = 0;
  for (const piece of pieces) {
    given += piece.length;
    for (const frame of parser.push(Buffer.from(piece))) {
      texts.push(textOf(frame));
      if (frame.kind === "frame") taken -= frame.body.length;
    }
    promise(taken <= 2 * given, `${taken} bytes of the budget are at most twice the ${given} received`);
  }
  parser.release();
  return { texts, left: taken };
}

function textOf(frame: Frame | OversizeFrame): string {
  const { streamId, type, flags } = frame;
  if (frame.kind === "oversize") return `${streamId} ${type} ${flags} ${frame.length}`;
  const request = readRequest(frame);
  if ("code" in request) {
    promise(statusFrame(streamId, request).length < 8192 + HEADER_BYTES, "a status is short");
  } else {
    const kept = readKept(request.body, request.deadline);
    if (request.body.length > 0) promise(kept?.request.method === request.method, "a copied request is the same");
    promise(request.deadline >= 0 && !Number.isNaN(request.deadline), "the deadline is not negative");
  }
  return `${streamId} ${type} ${flags} ${frame.body.toString("hex")}`;
}
