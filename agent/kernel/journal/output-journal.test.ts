import { expect, test } from "vitest";
import { createJournalMemory, journalIn } from "./journal.ts";
import { SMALL_BODY } from "./journal-layout.ts";
import type { OutputJournal, Piece } from "./output-journal.ts";

const key = { process: 7, stream: 0 } as const;

const fillWith = (data: Uint8Array | string) => (into: Uint8Array) => Buffer.from(data).copy(into);

function read(journal: OutputJournal, data: Uint8Array | string, offset = 0): Piece {
  const piece = journal.read(key, offset, 100, fillWith(data));
  if (typeof piece === "number") throw new Error(`no piece: ${piece}`);
  return piece;
}

const found = (memory: ArrayBuffer): string[] =>
  journalIn(memory)
    .outputs.found(key)
    .map(({ data, offset }) => `${offset} ${data.toString("latin1")}`);

test("the next agent finds exactly the undelivered output, in order", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  const first = read(outputs, "first ");
  read(outputs, "second", 6);
  outputs.read({ process: 7, stream: 1 }, 0, 10, fillWith("other"));
  expect(outputs.read(key, 12, 10, () => 0)).toBe(0);
  expect(outputs.read(key, 12, 10, () => -1)).toBe(-1);
  expect(found(memory.slice(0))).toEqual(["0 first ", "6 second"]);
  outputs.release(first.block);
  expect(found(memory.slice(0))).toEqual(["6 second"]);
  const next = journalIn(memory).outputs;
  next.keepOnly((process) => process !== 7);
  expect(next.found(key)).toEqual([]);
});

test("a block that is used again belongs to no call", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  const first = read(outputs, "first ");
  outputs.link(first.block ?? -1, 5);
  outputs.release(first.block);
  expect(read(outputs, "second", 6).block).toBe(first.block);
  expect(found(memory.slice(0))).toEqual(["6 second"]);
});

test("the next agent sees how much a read took if the agent died before it recorded that", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  outputs.release(read(outputs, "something longer that was here before").block);
  const left: ArrayBuffer[] = [];
  const dying = (data: string) => (into: Uint8Array) => {
    const count = Buffer.from(data).copy(into);
    left.push(memory.slice(0));
    return count;
  };
  outputs.read(key, 0, 100, dying("text"));
  outputs.read({ process: 8, stream: 0 }, 0, 100, dying(""));
  expect(left.map(found)).toEqual([["0 text"], ["0 text"]]);
});

test("the next agent knows how much a read took if the available bytes were counted before, whatever they are", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  const left: ArrayBuffer[] = [];
  const read = (into: Uint8Array) => {
    expect(into).toHaveLength(6);
    left.push(memory.slice(0));
    const count = Buffer.from("text\xff\xff", "latin1").copy(into);
    left.push(memory.slice(0));
    return count;
  };
  outputs.read(key, 0, 100, read, 6);
  expect(left.map(found)).toEqual([[], ["0 text\xff\xff"]]);
});

test("a piece counts as delivered once its answer is written, not while it waits", () => {
  const memory = createJournalMemory();
  const { calls, outputs } = journalIn(memory);
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  const link = (text: string, streamId: number) => {
    const place = calls.openCall(index, streamId, Buffer.from("request"), 0);
    const { block = -1 } = read(outputs, text, streamId * 100);
    outputs.link(block, place);
    return place;
  };
  const written = link("written", 1);
  const writing = link("may be written", 3);
  link("waits", 5);
  calls.closeCall(index, written);
  expect(found(memory.slice(0))).toEqual(["300 may be written", "500 waits"]);
  const bytes = Buffer.alloc(SMALL_BODY + 1);
  calls.write(index, [{ place: writing, bytes }], 0, (region) => {
    // The next agent writes the answer, or the rest of it, from the journal.
    expect(found(memory.slice(0))).toEqual(["500 waits"]);
    Buffer.from(region.buffer, region.byteOffset).writeInt32LE(bytes.length, 56);
    return bytes.length;
  });
  expect(found(memory.slice(0))).toEqual(["500 waits"]);
});

test("a piece is in its small answer or in the stream, whenever the agent dies", () => {
  const memory = createJournalMemory();
  const { calls, outputs } = journalIn(memory);
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  const place = calls.openCall(index, 1, Buffer.from("request"), 0);
  outputs.link(read(outputs, "text", 0).block ?? -1, place);
  const bytes = Buffer.from("answer with the text");
  const seen = () => {
    const copy = memory.slice(0);
    const answers = journalIn(copy.slice(0)).calls.found.flatMap((one) => one.calls.filter((call) => call.answered));
    return [answers.map(({ body }) => body.toString()), found(copy)];
  };
  expect(seen()).toEqual([[], ["0 text"]]);
  calls.write(index, [{ place, bytes }], 0, () => {
    expect(seen()).toEqual([[bytes.toString()], []]);
    return 0;
  });
  // The socket was full: the answer waits.
  calls.keepAnswer(place, bytes);
  calls.writeDone(index, [{ place, bytes }], 0);
  expect(seen()).toEqual([[bytes.toString()], []]);
  // The connection can't resume: the answer is never delivered.
  calls.noted(index, Buffer.alloc(1), 8 << 20);
  expect(seen()).toEqual([[bytes.toString()], ["0 text"]]);
});

test("a block whose piece was split has nothing of the rest when it is used again", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  const [first, rest] = outputs.split(read(outputs, "0123456789"), 4, key);
  for (const { block } of [rest, first]) outputs.release(block);
  const left: ArrayBuffer[] = [];
  outputs.read(key, 10, 100, () => {
    left.push(memory.slice(0)); // the agent dies before the kernel reads
    return 0;
  });
  expect(left.map(found)).toEqual([[]]);
});

test("a piece that was split is never found twice", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  const piece = read(outputs, "0123456789", 20);
  const [first, rest] = outputs.split(piece, 4, key);
  expect([first.data.toString(), rest.data.toString(), rest.offset]).toEqual(["0123", "456789", 24]);
  expect(found(memory.slice(0))).toEqual(["20 0123", "24 456789"]);
  // The agent died before it cut the first piece: the first contains the second.
  const early = createJournalMemory();
  const before = journalIn(early).outputs;
  read(before, "0123456789", 20);
  read(before, "456789", 24);
  expect(found(early)).toEqual(["20 0123456789"]);
});

test("output without a block is reported as lost", () => {
  const memory = createJournalMemory();
  const { outputs } = journalIn(memory);
  for (let count = 0; count < 64; count++) read(outputs, "kept", count * 4);
  const extra = read(outputs, "not kept", 256);
  expect([extra.block, extra.data.toString()]).toEqual([undefined, "not kept"]);
  expect(journalIn(memory.slice(0)).outputs.lost).toBe(1);
  outputs.release(extra.block);
  expect(journalIn(memory.slice(0)).outputs.lost).toBe(0);
});
