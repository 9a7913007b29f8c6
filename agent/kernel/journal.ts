import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { CallJournal } from "./call-journal.ts";
import { CALL_JOURNAL_BYTES, CallMemory } from "./journal-layout.ts";
import type { Fd } from "./kernel.ts";
import { OUTPUT_JOURNAL_BYTES, OutputJournal } from "./output-journal.ts";

/** Changes whenever the places in the memory do: a journal of another layout is not read. */
const LAYOUT = 0x6a02;
const HEADER_BYTES = 64;
const JOURNAL_BYTES = HEADER_BYTES + CALL_JOURNAL_BYTES + OUTPUT_JOURNAL_BYTES;

/**
 * What of the agent's work in progress outlives it: the connections with their open calls, and the output that was taken
 * from its pipe and has not reached the host. Plain memory of a file in /run, written as the work goes on.
 */
export interface Journal {
  readonly calls: CallJournal;
  readonly outputs: OutputJournal;
}

/** The journal at this path, with what an agent before left in it. Throws Node's errors and SystemError. */
export function openJournal(path: string, mapShared: (fd: Fd, length: number) => ArrayBuffer): Journal {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    // Written and not only made long: a page of the mapping that a full /run has no room for is SIGBUS.
    if (fstatSync(fd).size < JOURNAL_BYTES) allocate(fd);
    ftruncateSync(fd, JOURNAL_BYTES);
    return journalIn(mapShared(fd, JOURNAL_BYTES));
  } finally {
    closeSync(fd);
  }
}

function allocate(fd: Fd): void {
  const zeros = Buffer.alloc(2 ** 16);
  for (let at = 0; at < JOURNAL_BYTES; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, JOURNAL_BYTES - at), at);
}

/** For tests: a journal of 6 MiB that ends with this process. */
export const createJournalMemory = (): ArrayBuffer => new ArrayBuffer(JOURNAL_BYTES);

/** The memory as a journal; what is there is left by an agent before, if it is of this layout. */
export function journalIn(memory: ArrayBuffer): Journal {
  const layout = new Int32Array(memory, 0, 1);
  if (layout[0] !== LAYOUT && layout[0] !== 0) new Uint8Array(memory).fill(0);
  layout[0] = LAYOUT;
  const calls = new CallJournal(new CallMemory(memory, HEADER_BYTES));
  const open = new Set(calls.found.flatMap((connection) => connection.calls.map(({ place }) => place)));
  for (const place of [...calls.uncertain, ...calls.keptWhole]) open.delete(place);
  const outputs = new OutputJournal(memory, HEADER_BYTES + CALL_JOURNAL_BYTES, (place) => open.has(place));
  return { calls, outputs };
}
