import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { descriptorTargets } from "../testing/open-descriptors.ts";
import { CallMemory } from "./call-memory.ts";
import type { Journal } from "./journal.ts";
import { createJournalMemory, fillFile, journalIn, openJournal, withRetryPause } from "./journal.ts";
import { CALL, CALLS_AT_START, CHUNK_BYTES, CHUNKS, CONNECTION, NOW, OPEN } from "./journal-layout.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-journal-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
  vi.useRealTimers();
});

/** Opens a journal at a file, with `memory` in place of the mapping. */
function open(memory = createJournalMemory()): { readonly journal: Journal; readonly blocks: () => number } {
  const path = join(directory, "journal");
  const journal = openJournal(path, () => memory);
  return { journal, blocks: () => statSync(path).blocks * 512 };
}

const KIB = 1024;

function openCalls(journal: Journal, count: number): (number | undefined)[] {
  const { index = -1 } = journal.calls.openConnection(undefined) ?? {};
  return Array.from({ length: count }, (_, at) => journal.calls.openCall(index, 2 * at + 1, Buffer.from("x"), 0));
}

const pieces = (journal: Journal, count: number) =>
  Array.from({ length: count }, (_, at) => {
    const piece = journal.outputs.read({ process: at, stream: 0 }, 0, 10, (into) => Buffer.from("out").copy(into));
    return typeof piece === "number" ? piece : piece.block;
  });

it("the journal allocates memory for a few calls and outputs at the start, and for more as they come", () => {
  const { journal, blocks } = open();
  const first = blocks();
  expect(first).toBeGreaterThan(800 * KIB);
  expect(first).toBeLessThan(1200 * KIB);
  openCalls(journal, CALLS_AT_START);
  pieces(journal, 8);
  expect(blocks()).toBe(first);
  openCalls(journal, 1);
  expect(blocks()).toBe(first + CALLS_AT_START * 528);
  pieces(journal, 2);
  expect(blocks()).toBe(first + CALLS_AT_START * 528 + 128 * KIB);
});

it("the journal serves calls and outputs without room for them, and keeps the earlier ones", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const memory = createJournalMemory();
  const blocks = memory.byteLength - 64 * 65_536;
  let full = true;
  const fill = (at: number, length: number, value: number) => {
    const isThere = at >= blocks && at < blocks + 8 * 65_536;
    if (full && !isThere) return false;
    new Uint8Array(memory, at, length).fill(value);
    return true;
  };
  const journal = journalIn(memory, fill);
  const places = openCalls(journal, CALLS_AT_START + 2);
  expect(places.slice(CALLS_AT_START)).toEqual([undefined, undefined]);
  expect(places.slice(0, CALLS_AT_START)).not.toContain(undefined);
  expect(pieces(journal, 10).map((block) => block === undefined)).toEqual([...Array(8).fill(false), true, true]);
  full = false;
  vi.advanceTimersByTime(1000);
  expect(openCalls(journal, 1)).toEqual([CALLS_AT_START]);
  expect(pieces(journal, 1)).toEqual([8]);
});

it("a long request that found no room is not kept, and all of its memory can be used once there is room", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const room = { full: true };
  const memory = createJournalMemory();
  const { calls } = journalIn(memory, () => !room.full);
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  const whole = Buffer.alloc(CHUNKS * CHUNK_BYTES, 1);
  const kept = () => {
    const place = calls.openCall(index, 1, whole, 0);
    const [found] = journalIn(memory.slice(0)).calls.found;
    calls.closeCall(index, place);
    return found?.calls[0]?.body.equals(whole);
  };
  expect(kept()).toBe(false);
  room.full = false;
  expect(kept()).toBe(false);
  vi.advanceTimersByTime(1000);
  expect([kept(), kept()]).toEqual([true, true]);
});

it("a journal that can't be mapped leaves no file open", () => {
  const path = join(directory, "journal");
  const map = () => {
    throw new Error("mmap: ENOMEM");
  };
  expect(() => openJournal(path, map)).toThrow("mmap: ENOMEM");
  expect(descriptorTargets().filter((target) => target.endsWith(path))).toEqual([]);
});

it("the journal starts empty if the file has another layout or is incomplete", () => {
  open();
  const path = join(directory, "journal");
  const good = readFileSync(path);
  expect(good.readInt32LE()).not.toBe(0);
  const other = Buffer.alloc(good.length, 7);
  for (const bytes of [other, good.subarray(0, 1000), Buffer.alloc(0)]) {
    writeFileSync(path, bytes);
    open();
    expect(readFileSync(path).equals(good)).toBe(true);
  }
  writeFileSync(path, Buffer.concat([good.subarray(0, 4), Buffer.alloc(good.length - 4, 9)]));
  open();
  expect(readFileSync(path)[100]).toBe(9);
});

it.each([-1, 4097, 2 ** 31 - 1])("the journal clamps a count of %i used places and continues", (top) => {
  const memory = createJournalMemory();
  new CallMemory(memory, 64, () => true).setNow(NOW.top, top);
  const { calls } = journalIn(memory);
  expect(calls.found).toEqual([]);
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  expect(calls.openCall(index, 1, Buffer.from("x"), 0)).toBe(0);
});

it("the journal returns all 32 bits of a stream id", () => {
  const memory = createJournalMemory();
  const { calls } = journalIn(memory);
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  for (const id of [1, 0x7fffffff, 0x80000001, 0xffffffff]) calls.openCall(index, id, Buffer.from("x"), 0);
  const [found] = journalIn(memory).calls.found;
  expect(found?.calls.map(({ streamId }) => streamId)).toEqual([1, 0x7fffffff, 0x80000001, 0xffffffff]);
});

it("the journal takes a read of a negative count for one without bytes", () => {
  const memory = createJournalMemory();
  const words = new CallMemory(memory, 64, () => true);
  words.setConnection(0, CONNECTION.number, 1);
  words.setNow(NOW.readConnection, 1);
  words.readRegion.writeInt32LE(-5, 56);
  expect(journalIn(memory).calls.found.map(({ unparsed }) => unparsed.length)).toEqual([0]);
});

it.each(["ENOSPC", "EDQUOT", "EFBIG", "ENOMEM"])("fillFile reports %s as no room", (code) => {
  const write = () => {
    throw Object.assign(new Error(code), { code });
  };
  expect(fillFile(0, 0, 1, 0, write)).toBe(false);
});

it("withRetryPause tries once a second while there is no room, however many calls come", () => {
  let [asked, now] = [0, 1];
  const fill = withRetryPause(
    () => ++asked > 1,
    () => now,
  );
  expect(Array.from({ length: 1000 }, () => fill(0, 1, 0)).some(Boolean)).toBe(false);
  expect(asked).toBe(1);
  now += 1000;
  expect([fill(0, 1, 0), fill(0, 1, 0), asked]).toEqual([true, true, 3]);
});

it("fillFile reports a full device as no room, and throws any other error", () => {
  const [full, readOnly] = [openSync("/dev/full", "r+"), openSync("/dev/null", "r")];
  expect(fillFile(full, 0, 1, 0)).toBe(false);
  expect(() => fillFile(readOnly, 0, 1, 0)).toThrow("EBADF");
  for (const fd of [full, readOnly]) closeSync(fd);
});

it.each([2, 4097, 2 ** 31 - 1, -1])(
  "the journal blames no call for a death in the call of number %i, which it lacks",
  (begun) => {
    const memory = createJournalMemory();
    const { calls } = journalIn(memory);
    const { index = -1 } = calls.openConnection(undefined) ?? {};
    calls.openCall(index, 1, Buffer.from("x"), 0);
    const words = new CallMemory(memory, 64, () => true);
    words.setCall(1, CALL.state, OPEN);
    words.setNow(NOW.begun, begun);
    expect(journalIn(memory).calls.found.map((each) => each.calls.map(({ deaths }) => deaths))).toEqual([[0]]);
    expect(words.call(1, CALL.deaths)).toBe(0);
  },
);
