import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { GrpcStreams } from "./grpc-streams.ts";

/** Returns a connection that counts how often it was closed, and a function that opens a stream of it. */
function connection(streams: GrpcStreams) {
  const owner = { closed: 0, destroy: () => void owner.closed++ };
  const open = () => {
    const stream = new EventEmitter();
    streams.add(owner, stream);
    return stream;
  };
  return { owner, open };
}

test("over the limit, the connection with the most streams is closed, whoever opened the last", () => {
  const streams = new GrpcStreams(3);
  const [many, few] = [connection(streams), connection(streams)];
  many.open();
  many.open();
  few.open();
  expect([many.owner.closed, few.owner.closed]).toEqual([0, 0]);
  few.open();
  expect([many.owner.closed, few.owner.closed]).toEqual([1, 0]);
});

test("the largest connection is closed, also if it isn't the first", () => {
  const streams = new GrpcStreams(6);
  const all = Array.from({ length: 3 }, () => connection(streams));
  for (const [at, { open }] of all.entries()) for (let count = 0; count < ([1, 3, 2][at] ?? 0); count++) open();
  all[0]?.open();
  expect(all.map(({ owner }) => owner.closed)).toEqual([0, 1, 0]);
});

test("closed streams and those of closed connections no longer count", () => {
  const streams = new GrpcStreams(2);
  const { owner, open } = connection(streams);
  for (let count = 0; count < 5; count++) open().emit("close");
  const opened = [open(), open(), open()];
  expect(owner.closed).toBe(1);
  for (const stream of opened) stream.emit("close");
  open();
  open();
  expect(owner.closed).toBe(1);
  open();
  expect(owner.closed).toBe(2);
});
