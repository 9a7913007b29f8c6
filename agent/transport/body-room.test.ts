import { cachedDataVersionTag } from "node:v8";
import { expect, it, vi } from "vitest";
import { BodyRoom, collectGarbage } from "./body-room.ts";

it("a room asks for a collection each time more than half of it was given back", () => {
  const collect = vi.fn();
  const room = new BodyRoom(100, collect);
  for (const [bytes, asked] of [
    [50, 0],
    [1, 1],
    [50, 1],
    [100, 2],
  ] as const) {
    expect(room.take(bytes)).toBe(true);
    room.give(bytes);
    expect(collect).toHaveBeenCalledTimes(asked);
  }
  expect(room.left).toBe(100);
});

it("a room counts garbage that was never part of it", () => {
  const collect = vi.fn();
  const room = new BodyRoom(100, collect);
  room.dropped(50);
  expect(collect).not.toHaveBeenCalled();
  room.dropped(1);
  expect(collect).toHaveBeenCalledTimes(1);
  expect(room.left).toBe(100);
});

it("a room refuses more than is left, and still accepts less", () => {
  const room = new BodyRoom(100, () => {});
  expect(room.take(60)).toBe(true);
  expect(room.take(41)).toBe(false);
  expect(room.take(40)).toBe(true);
});

it("collectGarbage leaves the version tag of code caches unchanged", async () => {
  const tag = cachedDataVersionTag();
  let bytes: Buffer | undefined = Buffer.alloc(8 << 20, 1);
  const before = process.memoryUsage().arrayBuffers;
  bytes = undefined;
  const freed = () => {
    collectGarbage(); // one of V8's threads frees what the previous collection found
    return before - process.memoryUsage().arrayBuffers;
  };
  await expect.poll(freed).toBeGreaterThanOrEqual(8 << 20);
  expect(bytes).toBeUndefined();
  expect(cachedDataVersionTag()).toBe(tag);
});

it("a room gives at most seven eighths to bodies that arrive in pieces", () => {
  const room = new BodyRoom(800, () => {});
  expect(room.takePiece(701)).toBe(false);
  expect(room.takePiece(700)).toBe(true);
  expect(room.takePiece(1)).toBe(false);
  expect(room.take(100)).toBe(true);
  room.give(800);
  expect(room.take(101)).toBe(true);
  expect(room.takePiece(600)).toBe(false);
});
