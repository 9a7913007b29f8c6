import { closeSync, openSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
leavesNoDescriptors();
const opened: number[] = [];
afterEach(() => {
  for (const fd of opened.splice(0)) sys.close(fd);
});

/** A pipe of 8 KiB, and a function that returns the result of a noted write and the note after it, which begins with 101. */
function open() {
  const { read, write } = sys.pipe({ sizeBytes: 8192 });
  opened.push(read, write);
  for (const fd of [read, write]) sys.setNonBlocking(fd);
  const put = (length: number) => {
    const note = Int32Array.of(101);
    return [sys.writeNoted(write, new Uint8Array(length), note), note[0]];
  };
  return { read, put };
}

test("a noted write adds two to the note for each byte, and nothing if there is no room", () => {
  const { read, put } = open();
  expect([put(5), put(1), put(4000), put(4000)]).toEqual([
    [5, 111],
    [1, 103],
    [4000, 8101],
    [4000, 8101],
  ]);
  expect(put(1)).toEqual([-1, 101]); // both pages are in use
  expect(sys.readable(read)).toBe(8006);
});

test("a noted write takes all that fits into an empty pipe, and of more than a page only a page into another one", () => {
  const { read, put } = open();
  expect(put(20_000)).toEqual([8192, 16_485]);
  expect(put(20_000)).toEqual([-1, 101]);
  sys.read(read, new Uint8Array(4096));
  expect([put(20_000), put(20_000)]).toEqual([
    [4096, 8293],
    [-1, 101],
  ]);
});

test("a refused noted write leaves the note as it was", () => {
  const { read, write } = sys.pipe();
  sys.close(read);
  opened.push(write);
  const note = Int32Array.of(101);
  expect(() => sys.writeNoted(write, new Uint8Array(5000), note)).toThrow(`write fd ${write}: EPIPE`);
  expect(note[0]).toBe(101);
});

test("a terminal takes every piece of a noted write whole, until it is full", () => {
  const devpts = openSync("/dev/pts", "r");
  const master = sys.openTerminal(devpts);
  closeSync(devpts);
  opened.push(master, sys.terminalPeer(master));
  sys.setNonBlocking(master);
  const lines = Buffer.from(`${"x".repeat(99)}\n`.repeat(200));
  const taken: number[] = [];
  while (taken.at(-1) !== -1) taken.push(sys.writeNoted(master, lines, new Int32Array(1)));
  expect(taken.length).toBeGreaterThan(3);
  expect(new Set(taken)).toEqual(new Set([1024, -1]));
});
