import { gzipSync } from "node:zlib";
import { createJournalMemory, journalIn } from "../../../../agent/kernel/journal/journal.ts";
import type { Handler, ServiceTable } from "../../../../agent/service/dispatch.ts";
import { BodyRoom } from "../../../../agent/transport/body-room.ts";
import { RpcServer } from "../../../../agent/transport/rpc-server.ts";
import { answer } from "../../../transport/testing/answer.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  header,
  http2,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../../transport/testing/http2-frames.ts";
import { type FuzzTarget, promise } from "../target.ts";
import { playedWire } from "./played-wire.ts";
import { untilAborted } from "./until-aborted.ts";

const { calls } = journalIn(createJournalMemory());
const ROOM = 64 << 20;
const handlers: Readonly<Record<string, Handler>> = {
  e: async (payload) => answer(payload),
  w: (_, { signal }) => untilAborted(signal),
};
const table: ServiceTable = {
  find: (service, method) => (service === "s" ? (handlers[method] ?? "no-method") : "no-service"),
  mayRepeat: () => false,
  mayGoOn: () => false,
  *list() {
    for (const method of Object.keys(handlers)) yield { service: "s", method };
  },
};

/** Header fields of a call, each as a literal. */
function headers(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const usual = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "x",
    te: "trailers",
    "content-type": "application/grpc",
  };
  return Buffer.concat(Object.entries({ ...usual, ...more }).map(([name, value]) => header(name, value)));
}
const settings = http2(SETTINGS, 0, 0);
const message = Buffer.of(0, 0, 0, 0, 3, 10, 1, 97);

const packed = gzipSync(message.subarray(5));

/** Takes the size of pieces from the first byte, and sends the others after HTTP/2's preface. */
export const grpcConnections: FuzzTarget = {
  name: "grpc-connections",
  promise:
    "a gRPC connection with any frames releases its memory budget and its descriptor, and leaves no uncaught error",
  seeds: () => [
    Buffer.concat([
      Buffer.of(255),
      settings,
      http2(HEADERS, END_HEADERS, 1, headers("/s/e")),
      http2(DATA, END_STREAM, 1, message),
    ]),
    Buffer.concat([
      Buffer.of(40),
      settings,
      http2(HEADERS, END_HEADERS, 1, headers("/s/w", { "grpc-timeout": "1m", "x-bin": "AAAA" })),
      http2(DATA, END_STREAM, 1, message),
      http2(RST_STREAM, 0, 1, Buffer.alloc(4)),
    ]),
    Buffer.concat([
      Buffer.of(9),
      settings,
      http2(HEADERS, END_HEADERS | END_STREAM, 1, headers("/s/n")),
      http2(PING, 0, 0, Buffer.alloc(8)),
      http2(WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 1, 0)),
      http2(GOAWAY, 0, 0, Buffer.alloc(8)),
    ]),
    Buffer.concat([
      Buffer.of(90),
      settings,
      http2(HEADERS, END_HEADERS, 1, headers("/s/e", { "grpc-encoding": "gzip" })),
      http2(DATA, END_STREAM, 1, Buffer.concat([Buffer.of(1, 0, 0, 0, packed.length), packed])),
      http2(HEADERS, END_HEADERS | END_STREAM, 3, headers("/s/e", { "grpc-timeout": "9S" })),
      http2(HEADERS, END_HEADERS, 5, headers("/s/w")),
      http2(DATA, END_STREAM, 5, message),
    ]),
  ],
  words: [":path", "grpc-timeout", "grpc-encoding", "gzip", "/s/e", "content-type", "\0\0\0"],
  async run(input) {
    const wire = playedWire(Buffer.concat([PREFACE, input.subarray(1)]), Math.max(input[0] ?? 1, 8));
    const room = new BodyRoom(ROOM, () => undefined);
    const init = { deposit: () => undefined, withdraw: () => undefined };
    const server = new RpcServer({ sys: wire.sys, init, journal: calls }, table, { room });
    const connection = server.accept(7);
    promise(connection !== undefined, "the connection is accepted");
    await wire.done;
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    connection.destroy();
    await connection.closed;
    // Waiting handlers are aborted, and release their part of the budget when they return.
    for (let turn = 0; turn < 50 && room.left !== ROOM; turn++) await new Promise(setImmediate);
    promise(wire.closed === 1, `the descriptor is closed once, not ${wire.closed} times`);
    promise(room.left === ROOM, `${ROOM - room.left} bytes of the memory budget are not released`);
  },
};
