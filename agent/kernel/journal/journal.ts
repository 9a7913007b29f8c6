import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Fd } from "../kernel.ts";
import { CallJournal } from "./call-journal.ts";
import type { FoundConnection } from "./found-calls.ts";
import { CALL_JOURNAL_BYTES, CALLS_START, CallMemory, type Fill } from "./journal-layout.ts";
import { OUTPUT_JOURNAL_BYTES, OUTPUTS_START_BYTES, OutputJournal } from "./output-journal.ts";

/** Changes whenever the places in the memory do: a journal of another layout is not read. */
const LAYOUT = 0x6a03;
const HEADER_BYTES = 64;
const RETRY_MS = 1000;
const JOURNAL_BYTES = HEADER_BYTES + CALL_JOURNAL_BYTES + OUTPUT_JOURNAL_BYTES;

/**
 * What of the agent's work in progress outlives it: the connections with their open calls, and the output that was taken
 * from its pipe and has not reached the host. Plain memory of a file in /run, written as the work goes on.
 */
export interface Journal {
  readonly calls: CallJournal;
  readonly outputs: OutputJournal;
}

/** The journal at this path, with what an agent before left in it; its file stays open. Throws Node's errors and SystemError. */
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

/** Written and not only made long: a page of the mapping that a full /run has no room for is SIGBUS. */
function start(fd: Fd, fill: Fill): void {
  ftruncateSync(fd, 0);
  ftruncateSync(fd, JOURNAL_BYTES);
  const isThere =
    fill(0, HEADER_BYTES, 0) &&
    CALLS_START.every(([from, to]) => fill(HEADER_BYTES + from, to - from, 0)) &&
    fill(HEADER_BYTES + CALL_JOURNAL_BYTES, OUTPUTS_START_BYTES, 0);
  if (!isThere) throw new Error("journal: there is no room for it");
  writeSync(fd, Int32Array.of(LAYOUT), 0, 4, 0);
}

/** Wraps `fill` so that, once there was no room, it is not tried again for a second: each of thousands of calls would pay for it. */
export function withRetryPause(fill: Fill, now = () => performance.now()): Fill {
  let again = 0;
  return (at, length, value) => {
    if (now() < again) return false;
    const isThere = fill(at, length, value);
    if (!isThere) again = now() + RETRY_MS;
    return isThere;
  };
}

/** False when there is no room. */
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

/** The last is what a tmpfs says where memory is short. */
const FULL: readonly (string | undefined)[] = ["ENOSPC", "EDQUOT", "EFBIG", "ENOMEM"];

/** For tests: a journal of 15 MiB that ends with this process. */
export const createJournalMemory = (): ArrayBuffer => new ArrayBuffer(JOURNAL_BYTES);

/** The memory, which is of this layout or 0 all over, as a journal; what is there is left by an agent before. */
export function journalIn(memory: ArrayBuffer, fill: Fill = fillMemory(memory)): Journal {
  const calls = new CallJournal(new CallMemory(memory, HEADER_BYTES, withRetryPause(fill)));
  const open = new Set(calls.found.flatMap(unanswered));
  const outputs = new OutputJournal(memory, HEADER_BYTES + CALL_JOURNAL_BYTES, fill, (place) => open.has(place));
  return { calls, outputs };
}

/** Places of the calls that are answered, or made again, with what was read for them. */
function unanswered({ broken, calls }: FoundConnection): number[] {
  return calls.filter(({ answered }) => broken !== undefined || !answered).map(({ place }) => place);
}

function fillMemory(memory: ArrayBuffer): Fill {
  return (at, length, value) => {
    new Uint8Array(memory, at, length).fill(value);
    return true;
  };
}
