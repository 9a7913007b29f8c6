import { describe, expect, test } from "vitest";
import { GrowingBody } from "./growing-body.ts";

/** Returns a room that records requests and has `pieces` bytes for pieces. */
function recordingRoom(pieces = Number.POSITIVE_INFINITY) {
  const asked: string[] = [];
  let left = pieces;
  return {
    asked,
    take: (bytes: number) => {
      asked.push(`take ${bytes}`);
      return true;
    },
    takePiece: (bytes: number) => {
      asked.push(`piece ${bytes}`);
      left -= bytes;
      return left >= 0;
    },
    give: (bytes: number) => void asked.push(`give ${bytes}`),
  };
}

describe("GrowingBody", () => {
  test("takes room as it grows, doubling it up to the body's length", () => {
    const room = recordingRoom();
    const body = new GrowingBody(room);
    for (const size of [2000, 100, 100, 2000, 2000, 800]) expect(body.add(Buffer.alloc(size, 7), 7000)).toBe(true);
    expect(room.asked).toEqual(["piece 2000", "piece 2000", "piece 3000"]);
    expect(body.end()).toEqual(Buffer.alloc(7000, 7));
  });

  test("a body that is complete or short does not count as a piece", () => {
    const room = recordingRoom(0);
    const body = new GrowingBody(room);
    expect(body.add(Buffer.alloc(5000), 5000)).toBe(true);
    body.end();
    expect(body.add(Buffer.alloc(1), 4096)).toBe(true);
    expect(body.add(Buffer.alloc(4095), 4096)).toBe(true);
    expect(room.asked).toEqual(["take 5000", "take 1", "take 4095"]);
  });

  test("holds no room after running out of it or being dropped", () => {
    const room = recordingRoom(3000);
    const body = new GrowingBody(room);
    expect(body.add(Buffer.alloc(3000), 9000)).toBe(true);
    expect(body.add(Buffer.alloc(1), 9000)).toBe(false);
    body.drop();
    expect(room.asked).toEqual(["piece 3000", "piece 3000", "give 3000", "give 0"]);
    expect(body.end()).toHaveLength(0);
  });
});
