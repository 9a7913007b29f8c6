import { createJournalMemory, type Journal, journalIn } from "../../../../agent/kernel/journal.ts";
import { CALL_JOURNAL_BYTES } from "../../../../agent/kernel/journal-layout.ts";

const memory = createJournalMemory();
const bytes = Buffer.from(memory);
/** Header, connections and the first calls; then the words of the outputs. */
const ALWAYS: readonly [number, number] = [0, 64 + 64 + 512 * 32 + 4 * 512];
const OUTPUTS = 64 + CALL_JOURNAL_BYTES;
let dirty: (readonly [number, number])[] = [];

/** Bytes of the journal, each run with its place before it: u24 place, u16 length. */
const runs = (...all: readonly (readonly [at: number, bytes: Uint8Array])[]) =>
  Buffer.concat(
    all.flatMap(([at, content]) => {
      const head = Buffer.alloc(5);
      head.writeUIntLE(at, 0, 3);
      head.writeUInt16LE(content.length, 3);
      return [head, content];
    }),
  );

/** The journal as an agent before has left it. One at a time: its memory is always the same. */
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

/** Has the place of a connection, and that of a call, cleared before the next one. */
export function willChange(connection: number, call: number): void {
  dirty.push([64 + 64 + 512 * 32 + call * 512, 512], [64 + 64 + connection * 32, 32]);
}

/** A connection with a call that was read and not noted, and one with a call in its second place. */
export function journalSeeds(): readonly Buffer[] {
  const int = (...words: number[]) => Buffer.from(Int32Array.from(words).buffer);
  const now = (top: number) => int(1, 20, 1, 10, 10, 1, top, 0);
  const connection = int(1, 3, 0, 0, 0, 0, 0, 0);
  const call = Buffer.concat([int(1, 0, 1, 1, 4), Buffer.alloc(12), Buffer.from([10, 2, 97, 98])]);
  const first = 64 + 64 + 512 * 32;
  return [
    runs([64, now(1)], [128, connection], [first, call]),
    runs([64, now(2)], [128, connection], [first + 512, call]),
  ];
}
