import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { createForwardLedgerMemory, ForwardLedger, MAX_FORWARDS, openForwardLedger } from "./forward-ledger.ts";

leavesNoDescriptors();
let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ledger-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const BYTES = (4 + MAX_FORWARDS * 2) * 8;

test("the next agent finds the counts of each direction and the move that had begun", () => {
  const memory = createForwardLedgerMemory();
  expect(memory.byteLength).toBe(BYTES);
  const ledger = new ForwardLedger(memory);
  expect([ledger.moved(0, 0), ledger.note]).toEqual([0, undefined]);
  const last = MAX_FORWARDS - 1;
  ledger.setMoved(0, 0, 1);
  ledger.setMoved(0, 1, 2);
  ledger.setMoved(last, 1, 2 ** 53 - 1);
  expect([ledger.moved(0, 0), ledger.moved(0, 1), ledger.moved(last, 1)]).toEqual([1, 2, 2 ** 53 - 1]);
  for (const note of [
    { place: 0, direction: 0, base: 0, held: 1 },
    { place: last, direction: 1, base: 5, held: 65_536 },
  ] as const) {
    const { note: words, count, at } = ledger.memoryOf(note.place, note.direction);
    words.set([note.held, at, note.base]);
    count[0] = note.base;
    const next = new ForwardLedger(memory);
    expect([next.note, next.moved(note.place, note.direction), next.moved(0, 1)]).toEqual([note, note.base, 2]);
  }
  ledger.end();
  expect(new ForwardLedger(memory).note).toBeUndefined();
});

test("a note about a place that doesn't exist doesn't count", () => {
  const memory = createForwardLedgerMemory();
  const words = new Float64Array(memory);
  words[1] = 1;
  for (const at of [0, 3, 4 + MAX_FORWARDS * 2, Number.NaN]) {
    words[2] = at;
    expect(new ForwardLedger(memory).note).toBeUndefined();
  }
  words[2] = 4 + MAX_FORWARDS * 2 - 1;
  expect(new ForwardLedger(memory).note).toBeDefined();
});

test("its file is created once, is the agent's alone, and one with another layout is discarded", () => {
  const path = join(directory, "forwards");
  const map = vi.fn((_fd: number, length: number) => new ArrayBuffer(length));
  expect(openForwardLedger(path, map)).toBeInstanceOf(ForwardLedger);
  expect([map.mock.calls[0]?.[1], statSync(path).size, statSync(path).mode & 0o777]).toEqual([BYTES, BYTES, 0o600]);
  const kept = readFileSync(path);
  kept.fill(1, 40, 50);
  writeFileSync(path, kept);
  openForwardLedger(path, map);
  expect(readFileSync(path)).toEqual(kept);
  const other = Buffer.from(kept);
  other.writeDoubleLE(other.readDoubleLE() + 1);
  for (const wrong of [other, kept.subarray(0, 7)]) {
    writeFileSync(path, wrong);
    openForwardLedger(path, map);
    const fresh = readFileSync(path);
    expect([fresh.length, fresh.readDoubleLE(), fresh.subarray(8).every((byte) => byte === 0)]).toEqual([
      BYTES,
      kept.readDoubleLE(),
      true,
    ]);
  }
});

test("a link in its place is refused", () => {
  symlinkSync("/dev/null", join(directory, "forwards"));
  expect(() => openForwardLedger(join(directory, "forwards"), () => new ArrayBuffer(BYTES))).toThrow("ELOOP");
});
