import { monotonicMs } from "../monotonic-ms.ts";
import type { CallMemory } from "./call-memory.ts";
import { deathsAfter } from "./deaths.ts";
import {
  ANSWERED,
  CALL,
  CONNECTION,
  FREE,
  MAX_KEPT_CONNECTIONS,
  MAX_MS,
  NOW,
  OPEN,
  WRITING,
} from "./journal-layout.ts";
import { bodyChain, bodyOf, bytesOf, type Chain, type KeptBytes } from "./kept-bytes.ts";

/** A call that the previous agent didn't answer. */
export interface FoundCall {
  readonly place: number;
  readonly streamId: number;
  /** Deadline in ms of the monotonic clock; 0: none. */
  readonly deadline: number;
  /** Number of agents that died while they started this call; an agent that took long over it counts twice. */
  readonly deaths: number;
  /** True if `body` is a whole response frame; otherwise it is the request's body, empty if that was too long to keep. */
  readonly answered: boolean;
  readonly body: Buffer;
}

/** A connection of the previous agent. */
export interface FoundConnection {
  readonly index: number;
  /** Part of the name of its deposit. */
  readonly number: number;
  /** Undefined if it isn't a vsock connection. */
  readonly peerCid: number | undefined;
  /** Reason why it can't resume; undefined if it can. */
  readonly broken: string | undefined;
  /** Bytes of the first call's answer that were already sent. */
  readonly begun: number;
  /** Calls in order of arrival, except that a call whose answer is partly sent comes first. */
  readonly calls: readonly FoundCall[];
  /** Bytes read whose frames aren't among the calls yet, such as a partly received request. */
  readonly unparsed: Buffer;
}

/** Returns the chains of chunks in use. */
export function chainsInUse(memory: CallMemory): Chain[] {
  const calls = placesOf(memory)
    .filter((place) => memory.call(place, CALL.state) !== FREE)
    .map((place) => bodyChain(memory, place));
  const requests = indexesOf(memory).map((index) => beginningOf(memory, index));
  return [...calls.filter(({ head }) => head !== 0), ...requests];
}

/** Finds the connections and calls that the previous agent left, after accounting for its last write. */
export function findCalls(memory: CallMemory, kept: KeptBytes): FoundConnection[] {
  settleWrite(memory, kept);
  countDeath(memory);
  const open = Map.groupBy(
    placesOf(memory).filter((place) => memory.call(place, CALL.state) !== FREE),
    (place) => memory.call(place, CALL.connection),
  );
  return indexesOf(memory).map((index) => {
    const begunPlace = memory.connection(index, CONNECTION.begunPlace) - 1;
    const rank = (place: number) => (place === begunPlace ? -1 : memory.call(place, CALL.order));
    const calls = (open.get(index) ?? [])
      .map((place) => foundCall(memory, place))
      .sort((a, b) => rank(a.place) - rank(b.place));
    const cid = memory.connection(index, CONNECTION.peerCid);
    return {
      index,
      number: memory.connection(index, CONNECTION.number),
      peerCid: cid === 0 ? undefined : cid - 1,
      broken: whyBroken(memory, index, calls),
      begun: begunPlace < 0 ? 0 : memory.connection(index, CONNECTION.begun),
      calls,
      unparsed: unparsed(memory, index),
    };
  });
}

/** Returns the partly received request of a connection, without the last read. */
export function beginningOf(memory: CallMemory, index: number): Chain {
  const slot = memory.connection(index, CONNECTION.merged) & 1;
  return {
    head: memory.connection(index, CONNECTION.head + slot),
    length: memory.connection(index, CONNECTION.length + slot),
  };
}

const placesOf = (memory: CallMemory) => Array.from({ length: memory.top }, (_, place) => place);

/** Lists the connections in use, by a loop: its body runs 512 times at each start of the agent. */
function indexesOf(memory: CallMemory): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < MAX_KEPT_CONNECTIONS; index++) {
    if (memory.connection(index, CONNECTION.number) !== 0) indexes.push(index);
  }
  return indexes;
}

/** Counts a death for the call that the previous agent was starting when it died; two if that took long, as it may hang. */
function countDeath(memory: CallMemory): void {
  const place = memory.now(NOW.begun) - 1;
  memory.setNow(NOW.begun, 0);
  if (place < 0 || place >= memory.top || memory.call(place, CALL.state) === FREE) return;
  const took = (Math.round(monotonicMs()) % MAX_MS) - memory.now(NOW.begunAt);
  memory.setCall(place, CALL.deaths, memory.call(place, CALL.deaths) + deathsAfter(took));
}

function foundCall(memory: CallMemory, place: number): FoundCall {
  return {
    place,
    streamId: memory.call(place, CALL.streamId) >>> 0, // the words are signed
    deadline: memory.deadline(place),
    deaths: memory.call(place, CALL.deaths),
    answered: memory.call(place, CALL.state) === ANSWERED && memory.call(place, CALL.length) > 0,
    body: bodyOf(memory, place),
  };
}

function whyBroken(memory: CallMemory, index: number, calls: readonly FoundCall[]): string | undefined {
  if (beginningOf(memory, index).length < 0) return "no room to keep the beginning of a request";
  if (memory.connection(index, CONNECTION.unknownCalls) > 0) return "more calls were open than can be kept";
  if (memory.connection(index, CONNECTION.begunPlace) === 0) return undefined;
  const [first] = calls;
  const { begun, begunPlace } = CONNECTION;
  const isKept = first?.answered === true && first.place === memory.connection(index, begunPlace) - 1;
  const written = memory.connection(index, begun);
  return isKept && written >= 0 && written < first.body.length ? undefined : "no room to keep the rest of an answer";
}

/** Accounts for the last write: frees the calls whose answers were sent, and keeps the answers that weren't sent completely. */
function settleWrite(memory: CallMemory, kept: KeptBytes): void {
  const index = memory.now(NOW.writeConnection) - 1;
  const isKept = index >= 0 && index < MAX_KEPT_CONNECTIONS;
  for (const place of placesOf(memory)) {
    const state = memory.call(place, CALL.state);
    if ((state & WRITING) === 0) continue;
    if (isKept) settleAnswer(memory, kept, { place, index });
    else memory.setCall(place, CALL.state, state & ~WRITING);
  }
  memory.setNow(NOW.writeConnection, 0);
}

/** Accounts for one answer. If the agent dies halfway, the call is still marked and the next agent repeats this. */
function settleAnswer(memory: CallMemory, kept: KeptBytes, { place, index }: { place: number; index: number }): void {
  const at = memory.call(place, CALL.at);
  const size = memory.call(place, CALL.size);
  const { sent } = memory;
  const isBegun = memory.connection(index, CONNECTION.begunPlace) === place + 1;
  if (at + size <= sent) {
    if (isBegun) memory.setConnection(index, CONNECTION.begunPlace, 0);
    memory.setCall(place, CALL.state, FREE);
    kept.freeBody(place);
    return;
  }
  const wasKept = (memory.call(place, CALL.state) & ANSWERED) !== 0 && memory.call(place, CALL.length) === size;
  const isKept = wasKept || (at >= 0 && kept.setBody(place, memory.writeBuffer.subarray(at, at + size)));
  if (at < sent) {
    memory.setConnection(index, CONNECTION.begun, sent - at);
    memory.setConnection(index, CONNECTION.begunPlace, place + 1);
  }
  memory.setCall(place, CALL.state, isKept ? ANSWERED : OPEN);
}

/** Returns the bytes that were read and aren't in any call's place. */
function unparsed(memory: CallMemory, index: number): Buffer {
  const beginning = bytesOf(memory, beginningOf(memory, index));
  const isLast = memory.now(NOW.readConnection) === index + 1;
  const isMerged = memory.connection(index, CONNECTION.merged) >> 1 === memory.now(NOW.readNumber);
  if (!isLast || isMerged) return beginning;
  return Buffer.concat([beginning, memory.readBuffer.subarray(0, memory.received)]);
}
