import {
  ANSWERED,
  CALL,
  type CallMemory,
  CONNECTION,
  FREE,
  MAX_KEPT_CONNECTIONS,
  NOTHING,
  NOW,
  UNDER_WAY,
  WRITING,
} from "./journal-layout.ts";

/** A call that an agent before has not answered. */
export interface FoundCall {
  readonly place: number;
  readonly streamId: number;
  /** Milliseconds since the epoch; 0: none. */
  readonly deadline: number;
  /** Agents before that ended, or were killed for their silence, while they began this call. */
  readonly deaths: number;
  /** The body is a whole response frame; else that of the request's frame, empty when it was too long to be kept. */
  readonly answered: boolean;
  readonly body: Buffer;
}

/** A connection that an agent before had. */
export interface FoundConnection {
  readonly index: number;
  /** In the name of its deposit. */
  readonly number: number;
  /** Undefined: no vsock. */
  readonly peerCid: number | undefined;
  /** Why it can't go on; undefined when it can. */
  readonly broken: string | undefined;
  /** In the order in which they came. */
  readonly calls: readonly FoundCall[];
  /** Bytes that were read; frames that are not among the calls yet. */
  readonly unparsed: Buffer;
}

export interface Found {
  readonly connections: readonly FoundConnection[];
  /** Places of calls whose answer was in a write that may have been made or not. */
  readonly uncertain: ReadonlySet<number>;
  /** Places of calls whose answer is kept, and is written again or may have been written. */
  readonly keptWhole: ReadonlySet<number>;
}

/** What an agent that is gone left in the memory. What is known of its last write is entered. */
export function findCalls(memory: CallMemory): Found {
  const places = Array.from({ length: memory.top }, (_, place) => place);
  const { uncertain, again } = settleWrite(memory, places);
  countDeath(memory);
  const open = Map.groupBy(
    places.filter((place) => memory.call(place, CALL.state) !== FREE),
    (place) => memory.call(place, CALL.connection),
  );
  const connections: FoundConnection[] = [];
  for (let index = 0; index < MAX_KEPT_CONNECTIONS; index++) {
    const number = memory.connection(index, CONNECTION.number);
    if (number === 0) continue;
    const calls = (open.get(index) ?? [])
      .map((place) => foundCall(memory, place))
      .sort((a, b) => memory.call(a.place, CALL.order) - memory.call(b.place, CALL.order));
    const cid = memory.connection(index, CONNECTION.peerCid);
    const peerCid = cid === 0 ? undefined : cid - 1;
    const broken = whyBroken(memory, index, calls, uncertain);
    connections.push({ index, number, peerCid, broken, calls, unparsed: unparsed(memory, index) });
  }
  const going = connections.filter(({ broken }) => broken === undefined).flatMap(({ calls }) => calls);
  const answered = going.filter((call) => call.answered).map(({ place }) => place);
  return { connections, uncertain, keptWhole: new Set([...again, ...answered]) };
}

/** For the call that the agent before was beginning when it ended. */
function countDeath(memory: CallMemory): void {
  const place = memory.now(NOW.begun) - 1;
  memory.setNow(NOW.begun, 0);
  if (place < 0 || place >= memory.top || memory.call(place, CALL.state) === FREE) return;
  memory.setCall(place, CALL.deaths, memory.call(place, CALL.deaths) + 1);
}

function foundCall(memory: CallMemory, place: number): FoundCall {
  return {
    place,
    streamId: memory.call(place, CALL.streamId) >>> 0, // the words are signed
    deadline: memory.deadline(place),
    deaths: memory.call(place, CALL.deaths),
    answered: memory.call(place, CALL.state) === ANSWERED && memory.call(place, CALL.length) > 0,
    body: memory.body(place),
  };
}

function whyBroken(
  memory: CallMemory,
  index: number,
  calls: readonly FoundCall[],
  uncertain: ReadonlySet<number>,
): string | undefined {
  if (memory.connection(index, CONNECTION.halfRead) !== 0) return "a frame was half read";
  if (calls.some(({ place }) => uncertain.has(place))) return "an answer may have been half written";
  if (memory.connection(index, CONNECTION.halfWritten) !== 0) return "an answer was half written";
  if (memory.connection(index, CONNECTION.unknownCalls) > 0) return "more calls were open than can be kept";
  return undefined;
}

/** The last write: frees the calls that it answered; gives those of which nobody knows, and those to be written again. */
function settleWrite(memory: CallMemory, places: readonly number[]): { uncertain: Set<number>; again: Set<number> } {
  const [uncertain, again] = [new Set<number>(), new Set<number>()];
  const index = memory.now(NOW.writeConnection) - 1;
  const count = memory.now(NOW.writeCount);
  const whole = count === memory.now(NOW.writeTotal);
  const mayRepeat = count === UNDER_WAY && memory.now(NOW.writeAgain) === 1;
  if (index >= 0 && whole) memory.setConnection(index, CONNECTION.halfWritten, 0);
  for (const place of places) {
    const state = memory.call(place, CALL.state);
    if ((state & WRITING) === 0) continue;
    memory.setCall(place, CALL.state, index >= 0 && whole ? FREE : state & ~WRITING);
    if (index < 0 || whole || count === 0) continue;
    if (mayRepeat) {
      again.add(place);
      continue;
    }
    uncertain.add(place);
    memory.setConnection(index, CONNECTION.halfWritten, 1);
  }
  return { uncertain, again };
}

/** What a read that was not noted has brought. How much that was may have to be seen from the memory itself. */
function unparsed(memory: CallMemory, index: number): Buffer {
  if (memory.now(NOW.readConnection) !== index + 1) return Buffer.alloc(0);
  const count = memory.now(NOW.readCount);
  if (count !== UNDER_WAY) return Buffer.from(memory.readBuffer.subarray(0, Math.max(count, 0)));
  return Buffer.from(withoutTail(memory.readBuffer));
}

/** Without the bytes at the end that are as they were before something was read there. */
export function withoutTail(memory: Buffer): Buffer {
  let end = memory.length;
  while (end > 0 && memory[end - 1] === NOTHING) end--;
  return memory.subarray(0, end);
}
