import { createJournalMemory, type Journal, journalIn } from "../../../../agent/kernel/journal/journal.ts";
import { CALL_JOURNAL_BYTES } from "../../../../agent/kernel/journal/journal-layout.ts";

const memory = createJournalMemory();
const bytes = Buffer.from(memory);
/** Offsets of the tables of connections and calls, and the sizes of their entries, in bytes. */
const CONNECTIONS = { at: 64 + 4 * 16, bytes: 4 * 12 };
const CALLS = { at: CONNECTIONS.at + 512 * CONNECTIONS.bytes + 4 * 1024, bytes: 4 * 132 };
/** Ranges that are always reset: the header, connections, chunks and first calls, and the words of the outputs. */
const ALWAYS: readonly [number, number] = [0, CALLS.at + 4 * CALLS.bytes];
/** Offsets of the blocks of bytes read and written; each begins with a header. */
const READ = CALLS.at + 4096 * CALLS.bytes;
const WRITE = READ + 64 + 65_536;
const OUTPUTS = 64 + CALL_JOURNAL_BYTES;
let dirty: (readonly [number, number])[] = [];

/** Encodes runs of the journal's bytes, each after its offset (u24) and length (u16). */
const runs = (...all: readonly (readonly [at: number, bytes: Uint8Array])[]) =>
  Buffer.concat(
    all.flatMap(([at, content]) => {
      const head = Buffer.alloc(5);
      head.writeUIntLE(at, 0, 3);
      head.writeUInt16LE(content.length, 3);
      return [head, content];
    }),
  );

/** Returns a journal as an earlier agent may have left it. All of them share one memory, so only the last is valid. */
export function leaveJournal(input: Buffer): Journal {
  for (const [at, length] of dirty) bytes.fill(0, at, at + length);
  dirty = [ALWAYS, [OUTPUTS, 8 * 520]];
  for (let at = 0; at + 5 <= input.length; ) {
    const place = input.readUIntLE(at, 3) % bytes.length;
    const length = Math.min(input.readUInt16LE(at + 3), input.length - at - 5, bytes.length - place);
    input.copy(bytes, place, at + 5, at + 5 + length);
    dirty.push([place, length]);
    at += 5 + length;
  }
  return journalIn(memory, (at, length) => {
    dirty.push([at, length]);
    bytes.fill(0, at, at + length);
    return true;
  });
}

/** Notes that the slots of a connection and a call were used, so that they are cleared before the next input. */
export function willChange(connection: number, call: number): void {
  dirty.push([CALLS.at + call * CALLS.bytes, CALLS.bytes]);
  dirty.push([CONNECTIONS.at + connection * CONNECTIONS.bytes, CONNECTIONS.bytes]);
}

/**
 * Returns seeds: a connection whose call was read but not noted, one with a half-written answer, and one with a body in
 * chunks.
 */
export function journalSeeds(): readonly Buffer[] {
  const int = (...words: number[]) => Buffer.from(Int32Array.from(words).buffer);
  const now = (top: number) => int(1, 7, 1, 10, 0, 1, top, 0);
  const connection = int(1, 3, 0, 0, 0, 0, 1, 0, 12, 0, 0, 0);
  const answer = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 2, 0]);
  const call = (state: number, chain: number, length: number) =>
    Buffer.concat([int(state, 0, 1, 1, length, 0, 0, 0, 0, chain, 0, 10), Buffer.from([10, 2, 97, 98])]);
  const all = (top: number, ...calls: readonly (readonly [number, Buffer])[]) =>
    runs(
      [64, now(top)],
      [CONNECTIONS.at, connection],
      [READ + 56, int(20, 0)],
      [WRITE + 56, int(5, 0)],
      [WRITE + 64, answer],
      ...calls,
    );
  return [
    all(1, [CALLS.at, call(1, 0, 4)]),
    all(2, [CALLS.at + CALLS.bytes, call(17, 0, 4)]),
    all(1, [CALLS.at, call(18, 2, 9000)]),
  ];
}
