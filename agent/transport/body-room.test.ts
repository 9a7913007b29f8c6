import { cachedDataVersionTag } from "node:v8";
import { expect, it, vi } from "vitest";
import { BodyRoom, collectGarbage } from "./body-room.ts";

it("asks for a collection each time that more than half of the room was given back", () => {
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

it("counts what was dropped beside it", () => {
  const collect = vi.fn();
  const room = new BodyRoom(100, collect);
  room.dropped(50);
  expect(collect).not.toHaveBeenCalled();
  room.dropped(1);
  expect(collect).toHaveBeenCalledTimes(1);
  expect(room.left).toBe(100);
});

it("has nothing for more than is left, and keeps it for less", () => {
  const room = new BodyRoom(100, () => {});
  expect(room.take(60)).toBe(true);
  expect(room.take(41)).toBe(false);
  expect(room.take(40)).toBe(true);
});

it("collects without a change of what code caches are made for", async () => {
  const tag = cachedDataVersionTag();
  let bytes: Buffer | undefined = Buffer.alloc(8 << 20, 1);
  const before = process.memoryUsage().arrayBuffers;
  bytes = undefined;
  const freed = () => {
    collectGarbage(); // a thread of V8's frees what the one before has found
    return before - process.memoryUsage().arrayBuffers;
  };
  await expect.poll(freed).toBeGreaterThanOrEqual(8 << 20);
  expect(bytes).toBeUndefined();
  expect(cachedDataVersionTag()).toBe(tag);
});

it("has seven eighths for bodies that come in pieces", () => {
  const room = new BodyRoom(800, () => {});
  expect(room.takePiece(701)).toBe(false);
  expect(room.takePiece(700)).toBe(true);
  expect(room.takePiece(1)).toBe(false);
  expect(room.take(100)).toBe(true);
  room.give(800);
  expect(room.take(101)).toBe(true);
  expect(room.takePiece(600)).toBe(false);
});
