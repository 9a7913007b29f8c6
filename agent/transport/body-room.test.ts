import { expect, it, vi } from "vitest";
import { BodyRoom } from "./body-room.ts";

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

it("has nothing for more than is left, and keeps it for less", () => {
  const room = new BodyRoom(100, () => {});
  expect(room.take(60)).toBe(true);
  expect(room.take(41)).toBe(false);
  expect(room.take(40)).toBe(true);
});
