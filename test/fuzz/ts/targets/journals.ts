import { createJournalMemory, journalIn } from "../../../../agent/kernel/journal.ts";
import { CALL_JOURNAL_BYTES } from "../../../../agent/kernel/journal-layout.ts";
import { readKept } from "../../../../agent/transport/ttrpc-request.ts";
import { FrameParser } from "../../../../proto/ttrpc-frame.ts";
import { type FuzzTarget, promise } from "../target.ts";

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

export const journals: FuzzTarget = {
  name: "journals",
  promise:
    "whatever an agent before left in the journal, the next one has calls and pieces of it within their bounds, and can go on",
  seeds: () => seeds(),
  run(input) {
    for (const [at, length] of dirty) bytes.fill(0, at, at + length);
    dirty = [ALWAYS, [OUTPUTS, 8 * 520]];
    for (let at = 0; at + 5 <= input.length; ) {
      const place = input.readUIntLE(at, 3) % bytes.length;
      const length = Math.min(input.readUInt16LE(at + 3), input.length - at - 5, bytes.length - place);
      input.copy(bytes, place, at + 5, at + 5 + length);
      dirty.push([place, length]);
      at += 5 + length;
    }
    const { calls, outputs } = journalIn(memory, (at, length) => {
      dirty.push([at, length]);
      bytes.fill(0, at, at + length);
      return true;
    });
    const places = new Set<number>();
    for (const connection of calls.found) {
      promise(connection.index >= 0 && connection.index < 512, "a connection has a place");
      const parser = new FrameParser();
      parser.push(connection.unparsed);
      for (const call of connection.calls) {
        promise(!places.has(call.place), "a call has a place of its own");
        places.add(call.place);
        promise(call.body.length <= 480, `a body of ${call.body.length} bytes`);
        readKept(call.body, call.deadline);
      }
      for (const call of connection.calls) calls.closeCall(connection.index, call.place);
      calls.closeConnection(connection.index);
    }
    for (const process of [0, 1]) {
      for (const piece of outputs.found({ process, stream: 0 })) {
        promise(piece.data.length <= 65_536, "a piece is no longer than a block");
        outputs.release(piece.block);
      }
    }
    outputs.keepOnly(() => false);
    goesOn(calls, outputs);
  },
};

/** A connection with a call and a piece of output, from its first to its last moment. */
function goesOn(calls: ReturnType<typeof journalIn>["calls"], outputs: ReturnType<typeof journalIn>["outputs"]): void {
  const connection = calls.openConnection(2);
  if (connection === undefined) throw new Error("promise broken: there is room for a connection");
  const place = calls.openCall(connection.index, 1, Buffer.from("body"), 0);
  promise(place !== undefined, "there is room for a call");
  const piece = outputs.read({ process: 7, stream: 1 }, 0, 10, (into) => Buffer.from("out").copy(into));
  promise(
    typeof piece !== "number" && piece.data.toString() === "out" && piece.block !== undefined,
    "there is room for output",
  );
  outputs.release(piece.block);
  dirty.push([64 + 64 + 512 * 32 + (place ?? 0) * 512, 512], [64 + 64 + connection.index * 32, 32]);
  calls.closeCall(connection.index, place);
  calls.closeConnection(connection.index);
}

function seeds(): readonly Buffer[] {
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
