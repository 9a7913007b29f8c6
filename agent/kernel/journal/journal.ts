import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../kernel.ts";
import { CallJournal } from "./call-journal.ts";
import { CallMemory } from "./call-memory.ts";
import type { FoundConnection } from "./found-calls.ts";
import { CALL_JOURNAL_BYTES, CALLS_START, type Fill } from "./journal-layout.ts";
import { OUTPUT_JOURNAL_BYTES, OUTPUTS_START_BYTES, OutputJournal } from "./output-journal.ts";

/** Version of the layout, changed whenever it changes: a journal with another version is discarded. */
const LAYOUT = 0x6a04;
const HEADER_BYTES = 64;
const RETRY_MS = 1000;
const JOURNAL_BYTES = HEADER_BYTES + CALL_JOURNAL_BYTES + OUTPUT_JOURNAL_BYTES;

/**
 * The agent's work in progress that outlives it: connections with their open calls, and output that was read from its pipe and
 * hasn't reached the host. Plain memory, mapped from a file in /run and written as the work proceeds.
 */
export interface Journal {
  readonly calls: CallJournal;
  readonly outputs: OutputJournal;
}

/** Opens the journal at `path` with the previous agent's entries; its file stays open. Throws Node's errors and SystemError. */
export function openJournal(path: string, mapShared: (fd: Fd, length: number) => ArrayBuffer): Journal {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const fill: Fill = (at, length, value) => fillFile(fd, at, length, value);
    if (!isOfThisLayout(fd)) start(fd, fill);
    return journalIn(mapShared(fd, JOURNAL_BYTES), fill);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function isOfThisLayout(fd: Fd): boolean {
  const layout = Buffer.alloc(4);
  readSync(fd, layout, 0, layout.length, 0);
  return fstatSync(fd).size === JOURNAL_BYTES && layout.readInt32LE() === LAYOUT;
}

/**
 * Creates an empty journal. Writes zeros instead of only extending the file: touching an unallocated page raises SIGBUS if
 * /run is full.
 */
function start(fd: Fd, fill: Fill): void {
  ftruncateSync(fd, 0);
  ftruncateSync(fd, JOURNAL_BYTES);
  const isFilled =
    fill(0, HEADER_BYTES, 0) &&
    CALLS_START.every(([from, to]) => fill(HEADER_BYTES + from, to - from, 0)) &&
    fill(HEADER_BYTES + CALL_JOURNAL_BYTES, OUTPUTS_START_BYTES, 0);
  if (!isFilled) throw new Error("create journal: /run has no room for it");
  writeSync(fd, Int32Array.of(LAYOUT), 0, 4, 0);
}

/** Wraps `fill` to fail for a second after it found no room: otherwise each of thousands of calls would pay for an attempt. */
export function withRetryPause(fill: Fill, now = () => performance.now()): Fill {
  let again = 0;
  return (at, length, value) => {
    if (now() < again) return false;
    const isFilled = fill(at, length, value);
    if (!isFilled) again = now() + RETRY_MS;
    return isFilled;
  };
}

/** Fills a range of a file with a byte; returns false if there is no room. */
export function fillFile(fd: Fd, at: number, length: number, value: number, write = writeSync): boolean {
  const bytes = Buffer.alloc(length, value);
  try {
    for (let done = 0; done < length; ) done += write(fd, bytes, done, length - done, at + done);
    return true;
  } catch (error) {
    if (!FULL.includes((error as NodeJS.ErrnoException).code)) throw error;
    return false;
  }
}

/** Errors that mean no room; a tmpfs reports ENOMEM if memory is short. */
const FULL: readonly (string | undefined)[] = ["ENOSPC", "EDQUOT", "EFBIG", "ENOMEM"];

/** Creates memory for a journal in tests, 15 MiB that end with this process. */
export const createJournalMemory = (): ArrayBuffer => new ArrayBuffer(JOURNAL_BYTES);

/** Opens a journal in memory that has this layout or is all zeros; its entries are those of the previous agent. */
export function journalIn(memory: ArrayBuffer, fill: Fill = fillMemory(memory)): Journal {
  const calls = new CallJournal(new CallMemory(memory, HEADER_BYTES, withRetryPause(fill)));
  const open = new Set(calls.found.flatMap(unanswered));
  const outputs = new OutputJournal(memory, HEADER_BYTES + CALL_JOURNAL_BYTES, fill, (place) => open.has(place));
  return { calls, outputs };
}

/**
 * Returns the places of calls without a kept answer. They are answered or repeated with the output read for them, so it
 * stays.
 */
function unanswered({ broken, calls }: FoundConnection): number[] {
  return calls.filter(({ answered }) => broken !== undefined || !answered).map(({ place }) => place);
}

function fillMemory(memory: ArrayBuffer): Fill {
  return (at, length, value) => {
    new Uint8Array(memory, at, length).fill(value);
    return true;
  };
}
