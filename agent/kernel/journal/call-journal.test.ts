import { afterEach, expect, test, vi } from "vitest";
import type { Answer } from "./call-journal.ts";
import { createJournalMemory, journalIn } from "./journal.ts";
import {
  CHUNK_BYTES,
  CHUNKS,
  HEADER_BYTES,
  MAX_KEPT_CALLS,
  MAX_KEPT_CONNECTIONS,
  SMALL_BODY,
} from "./journal-layout.ts";

afterEach(() => {
  vi.useRealTimers();
});

const memory = () => {
  const bytes = createJournalMemory();
  const { calls } = journalIn(bytes);
  return { bytes, calls, next: () => journalIn(bytes.slice(0)).calls };
};
type Calls = ReturnType<typeof memory>["calls"];

const connect = (calls: Calls) => calls.openConnection(undefined)?.index ?? -1;
const open = (calls: Calls, index: number, streamId: number, body = `request ${streamId}`) =>
  calls.openCall(index, streamId, Buffer.from(body), 0);

/** Plays a write of which the kernel takes `count` bytes. */
const taking = (count: number) => (region: Uint8Array) => {
  Buffer.from(region.buffer, region.byteOffset).writeInt32LE(count, 56);
  return count;
};
/** Plays a read of these bytes. */
const giving = (bytes: Uint8Array) => (region: Uint8Array) => {
  region.set(bytes, HEADER_BYTES);
  Buffer.from(region.buffer, region.byteOffset).writeInt32LE(bytes.length, 56);
  return bytes.length;
};

/** The open calls of the next agent's only connection: "id answered text". */
const found = (calls: Calls) =>
  calls.found[0]?.calls.map(({ streamId, answered, body }) => `${streamId} ${answered} ${body}`);

test("a call that takes the place of an earlier one hides none of the others", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const [, second] = [1, 3, 5].map((id) => open(calls, index, id));
  calls.closeCall(index, second);
  open(calls, index, 7);
  expect(found(next())).toEqual(["1 false request 1", "5 false request 5", "7 false request 7"]);
});

test("the next agent has a connection's peer, and the calls with their deadlines in order of arrival", () => {
  const { calls, next } = memory();
  const index = calls.openConnection(0)?.index ?? -1;
  const other = calls.openConnection(undefined)?.index ?? -1;
  calls.openCall(index, 1, Buffer.from("a"), 1.5e12);
  open(calls, other, 1);
  open(calls, index, 3);
  const [first, second] = next().found;
  expect([first?.peerCid, first?.calls.map(({ deadline }) => deadline)]).toEqual([0, [1.5e12, 0]]);
  expect([second?.peerCid, second?.calls.length, second?.broken]).toEqual([undefined, 1, undefined]);
});

test("numbers of connections are not used again, even by the next agent", () => {
  const { calls, next } = memory();
  calls.closeConnection(connect(calls));
  expect(calls.openConnection(undefined)?.number).toBe(2);
  expect(next().openConnection(undefined)?.number).toBe(3);
});

test("a connection beyond the last place has none, until another one is closed", () => {
  const { calls } = memory();
  const indexes = Array.from({ length: MAX_KEPT_CONNECTIONS }, () => connect(calls));
  expect(new Set(indexes).size).toBe(MAX_KEPT_CONNECTIONS);
  expect(calls.openConnection(undefined)).toBeUndefined();
  calls.closeConnection(indexes[5] ?? -1);
  expect(calls.openConnection(undefined)?.index).toBe(indexes[5]);
});

test("a connection with a call that has no place can't resume while that call is open", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  for (let count = 0; count < MAX_KEPT_CALLS; count++) open(calls, index, 2 * count + 1, "");
  expect(open(calls, index, 99_999)).toBeUndefined();
  expect(next().found[0]?.broken).toBe("more calls were open than can be kept");
  calls.closeCall(index, undefined);
  expect(next().found[0]?.broken).toBeUndefined();
});

test("an agent that dies while it starts a call counts for this call, twice if it had been silent for long", () => {
  vi.useFakeTimers({ toFake: ["hrtime"] });
  const deaths = (calls: Calls) => calls.found[0]?.calls.map((call) => call.deaths);
  const { bytes, calls } = memory();
  const index = connect(calls);
  const [first, second] = [open(calls, index, 1), open(calls, index, 3)];
  calls.beginCall(first);
  let next = journalIn(bytes).calls;
  expect(deaths(next)).toEqual([1, 0]);
  next.beginCall(second);
  vi.advanceTimersByTime(4000);
  next = journalIn(bytes).calls;
  expect(deaths(next)).toEqual([1, 1]);
  next.beginCall(second);
  vi.advanceTimersByTime(4001);
  next = journalIn(bytes).calls;
  expect(deaths(next)).toEqual([1, 3]);
  // A handler that awaits something isn't held responsible, and neither is a call that is over.
  next.beginCall(first);
  next.beginCall(undefined);
  next = journalIn(bytes).calls;
  next.beginCall(second);
  next.closeCall(index, second);
  next = journalIn(bytes).calls;
  expect(deaths(next)).toEqual([1]);
  // Whoever takes the place next begins without deaths.
  expect(open(next, index, 5)).toBe(second);
  expect(deaths(journalIn(bytes).calls)).toEqual([1, 0]);
});

test("a noted progress belongs to one call", () => {
  const { bytes, calls } = memory();
  const index = connect(calls);
  const place = open(calls, index, 1);
  expect(calls.progress(place)).toBe(0);
  calls.note(place, 7);
  calls.note(undefined, 9);
  expect([journalIn(bytes).calls.progress(place), calls.progress(undefined)]).toEqual([7, 0]);
  calls.progressMemory(place)?.fill(8);
  expect([journalIn(bytes).calls.progress(place), calls.progressMemory(undefined)]).toEqual([8, undefined]);
  calls.closeCall(index, place);
  expect(calls.progress(open(calls, index, 3))).toBe(0);
});

test("answers that were sent are gone, those half sent are kept with the sent part, and others are sent again", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const answers = [1, 3, 5].map(
    (id): Answer => ({ place: open(calls, index, id), bytes: Buffer.from(`answer ${id}`) }),
  );
  open(calls, index, 7);
  const [sent, total] = calls.write(index, answers, 0, taking(10));
  expect([sent, total]).toEqual([10, 24]);
  const after = next();
  expect(found(after)).toEqual(["3 true answer 3", "5 true answer 5", "7 false request 7"]);
  expect(after.found[0]).toMatchObject({ begun: 2, broken: undefined });
});

test("a write that begins within an answer sends the rest of it", () => {
  const { calls } = memory();
  const index = connect(calls);
  const answers = [1, 3].map((id): Answer => ({ place: open(calls, index, id), bytes: Buffer.from(`answer ${id}`) }));
  const seen: string[] = [];
  const [, total] = calls.write(index, answers, 3, (region, length) => {
    seen.push(Buffer.from(region.subarray(HEADER_BYTES, HEADER_BYTES + length)).toString());
    return 0;
  });
  expect([seen, total]).toEqual([["wer 1answer 3"], 13]);
});

test("a half-sent answer comes first for the next agent, however late its call came", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  open(calls, index, 1);
  const answer = { place: open(calls, index, 3), bytes: Buffer.from("answer 3") };
  calls.write(index, [answer], 0, taking(4));
  calls.writeDone(index, [answer], 4);
  const after = next();
  expect(found(after)).toEqual(["3 true answer 3", "1 false request 1"]);
  expect(after.found[0]?.begun).toBe(4);
  calls.write(index, [answer], 4, taking(4));
  expect(next().found[0]).toMatchObject({ begun: 0, broken: undefined, calls: [{ streamId: 1 }] });
  calls.closeCall(index, answer.place);
  calls.writeDone(index, [], 0);
  expect(found(next())).toEqual(["1 false request 1"]);
});

test("a write on a connection without a place leaves the other calls as they are", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const place = open(calls, index, 1);
  calls.write(undefined, [{ place: undefined, bytes: Buffer.from("other") }], 0, taking(5));
  expect(found(next())).toEqual(["1 false request 1"]);
  // The write of an earlier agent on a connection that no longer exists.
  calls.write(index, [{ place, bytes: Buffer.from("answer") }], 0, taking(0));
  calls.write(undefined, [], 0, taking(0));
  expect(found(next())).toEqual(["1 false request 1"]);
});

test("a write belongs to its own connection, and one without a place to none", () => {
  const { calls, next } = memory();
  const [first, second] = [connect(calls), connect(calls)];
  open(calls, first, 1);
  const answer: Answer = { place: open(calls, second, 3), bytes: Buffer.from("answer 3") };
  const left = () => next().found.map((each) => each.calls.map(({ streamId }) => streamId));
  calls.write(second, [answer], 0, taking(4));
  expect(left()).toEqual([[1], [3]]);
  expect(next().found.map(({ begun }) => begun)).toEqual([0, 4]);
  calls.write(undefined, [], 0, taking(8));
  expect(left()).toEqual([[1], [3]]);
  calls.write(second, [answer], 0, taking(8));
  expect(left()).toEqual([[1], []]);
});

test("an answer is kept once, and a longer one replaces it", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const place = open(calls, index, 1);
  calls.keepAnswer(undefined, Buffer.from("nothing"));
  calls.keepAnswer(place, Buffer.from("answer"));
  calls.keepAnswer(place, Buffer.from("AnsweR"));
  expect(found(next())).toEqual(["1 true answer"]);
  calls.keepAnswer(place, Buffer.from("another answer"));
  expect(found(next())).toEqual(["1 true another answer"]);
});

test.each([SMALL_BODY, SMALL_BODY + 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5])(
  "a request of %i bytes comes back whole, and its memory can be used again",
  (length) => {
    const { calls, next } = memory();
    const index = connect(calls);
    const body = Buffer.from(Array.from({ length }, (_, at) => at % 251));
    for (let round = 0; round < 400; round++) {
      const place = calls.openCall(index, 1, body, 0);
      if (round === 0 || round === 399) expect(next().found[0]?.calls[0]?.body.equals(body)).toBe(true);
      calls.closeCall(index, place);
    }
  },
);

test("a request without room keeps its names, and all of its memory is free once others are gone", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const half = Buffer.alloc((CHUNKS / 2) * CHUNK_BYTES, 1);
  const first = calls.openCall(index, 1, half, 0);
  calls.openCall(index, 3, Buffer.alloc(half.length - CHUNK_BYTES), 0);
  calls.openCall(index, 5, half, 0, () => Buffer.from("names"));
  calls.openCall(index, 7, half, 0);
  const bodies = () => next().found[0]?.calls.map(({ body }) => body.length);
  expect(bodies()).toEqual([half.length, half.length - CHUNK_BYTES, 5, 0]);
  calls.closeCall(index, first);
  calls.openCall(index, 9, half, 0);
  expect(bodies()).toEqual([half.length - CHUNK_BYTES, 5, 0, half.length]);
});

test("the beginning of a request is kept over any number of reads, and what was read last is not lost", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const unparsed = () => next().found[0]?.unparsed.toString();
  calls.read(index, giving(Buffer.from("begin")));
  expect(unparsed()).toBe("begin");
  calls.noted(index, Buffer.from("begin"), 5);
  expect(unparsed()).toBe("begin");
  calls.read(index, giving(Buffer.from(" more")));
  expect(unparsed()).toBe("begin more");
  calls.noted(index, Buffer.from(" more"), 10);
  expect(unparsed()).toBe("begin more");
  calls.read(index, giving(Buffer.from(" end,next")));
  calls.noted(index, Buffer.from(" end,next"), 4);
  expect(unparsed()).toBe("next");
  calls.read(index, giving(Buffer.from("!")));
  calls.noted(index, Buffer.from("!"), 0);
  expect(unparsed()).toBe("");
});

test("a read that was lost with the agent belongs to the connection that it was made on", () => {
  const { calls, next } = memory();
  const [first, second] = [connect(calls), connect(calls)];
  calls.noted(second, Buffer.alloc(0), 0);
  calls.read(first, giving(Buffer.from("text")));
  calls.noted(second, Buffer.alloc(0), 0);
  expect(next().found.map(({ unparsed }) => String(unparsed))).toEqual(["text", ""]);
});

test("a connection whose half request is too long to keep can't resume, until that request is over", () => {
  const { calls, next } = memory();
  const index = connect(calls);
  const broken = () => next().found[0]?.broken;
  calls.noted(index, Buffer.alloc(1), (4 << 20) + 10);
  expect(broken()).toBeUndefined();
  calls.noted(index, Buffer.alloc(1), (4 << 20) + 11);
  expect(broken()).toBe("no room to keep the beginning of a request");
  calls.noted(index, Buffer.alloc(1), (4 << 20) + 10);
  expect(broken()).toBe("no room to keep the beginning of a request");
  calls.noted(index, Buffer.from("x"), 1);
  expect(broken()).toBeUndefined();
});

test("the next agent's requests overwrite none of those that it found", () => {
  const { bytes, calls } = memory();
  const [first, second] = [17, 20].map((chunks) => Buffer.alloc(chunks * CHUNK_BYTES, chunks)) as [Buffer, Buffer];
  calls.openCall(connect(calls), 1, first, 0);
  const next = journalIn(bytes).calls;
  next.openCall(next.found[0]?.index ?? -1, 3, second, 0);
  const bodies = journalIn(bytes).calls.found[0]?.calls.map(({ body }) => body);
  expect(bodies?.map((body, at) => body.equals(at === 0 ? first : second))).toEqual([true, true]);
});
