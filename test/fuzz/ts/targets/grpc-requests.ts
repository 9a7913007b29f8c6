import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { readTraceparent } from "../../../../agent/main/trace/trace-context.ts";
import { BodyRoom } from "../../../../agent/transport/body-room.ts";
import { GrpcRequest } from "../../../../agent/transport/grpc-request.ts";
import { type FuzzTarget, promise } from "../target.ts";

const ROOM = 64 << 20;

export const grpcRequests: FuzzTarget = {
  name: "grpc-requests",
  promise:
    "the content of a gRPC stream, in pieces of any size, is one message or is refused once, and the memory budget is released; metadata is a trace or is ignored",
  seeds: () => [
    Buffer.from([9, 20, 0, 0, 0, 0, 3, 10, 1, 97]),
    Buffer.from([2, 200, 1, 0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0, 0]),
    "\x01\x0500-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  ],
  run(input) {
    const [size = 1, headers = 0] = input;
    const bytes = input.subarray(2);
    const room = new BodyRoom(ROOM, () => undefined);
    const stream = new EventEmitter();
    const delivered: Buffer[] = [];
    let refused = 0;
    stream.on("data", (piece: Buffer) => delivered.push(Buffer.from(piece)));
    Object.assign(stream, { close: () => undefined });
    const request = new GrpcRequest(stream as unknown as ServerHttp2Stream, room, 60_000, () => refused++);
    if (request.begin(headers)) {
      for (let at = 0; at < bytes.length; at += Math.max(size, 1))
        stream.emit("data", Buffer.from(bytes.subarray(at, at + Math.max(size, 1))));
    }
    promise(refused <= 1, "the stream is refused once");
    const whole = Buffer.concat(delivered);
    promise(bytes.subarray(0, whole.length).equals(whole), "the delivered message is the received one");
    if (whole.length >= 5 && whole.length > 5)
      promise(whole.length === 5 + whole.readUInt32BE(1), "a message is complete");
    if (headers % 2 === 0) room.give(request.serve());
    stream.emit("close");
    promise(room.left === ROOM, `${ROOM - room.left} bytes of the memory budget are not released`);
    const trace = readTraceparent(bytes.toString("latin1"));
    if (trace !== undefined)
      promise(trace.traceId.length === 16 && trace.spanId.length === 8, "a trace has the right length");
  },
};
