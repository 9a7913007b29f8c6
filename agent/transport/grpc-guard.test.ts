import { EventEmitter } from "node:events";
import type { Server } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { guardStreams } from "./grpc-guard.ts";

/** A server with grpc-js's private handler of streams. */
type Handling = { _streamHandler?: (...args: unknown[]) => void };
const guarded = (server: Handling) => {
  guardStreams(server as unknown as Server);
  return server;
};

test("a grpc-js without its private handler is refused", () => {
  expect(() => guarded({})).toThrow(
    expect.objectContaining({ kind: "internal", message: "gRPC: this grpc-js has no _streamHandler" }),
  );
});

test("grpc-js handles its streams as before", () => {
  const calls: unknown[] = [];
  const server = guarded({
    _streamHandler(this: unknown, ...args) {
      calls.push([this === server, ...args]);
    },
  });
  const stream = new EventEmitter();
  server._streamHandler?.("interceptors", stream, "headers");
  expect(calls).toEqual([[true, "interceptors", stream, "headers"]]);
  expect(() => stream.emit("error", new Error("the stream was reset"))).not.toThrow();
});

test("a stream on which grpc-js throws is closed as an internal error", () => {
  const codes: number[] = [];
  const server = guarded({
    _streamHandler: () => {
      throw new Error("the stream was reset");
    },
  });
  server._streamHandler?.([], Object.assign(new EventEmitter(), { close: (code: number) => codes.push(code) }), {});
  expect(codes).toEqual([2]);
});
