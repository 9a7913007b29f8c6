import { type FoundConnection, findCalls } from "./found-calls.ts";
import {
  ANSWERED,
  CALL,
  type CallMemory,
  CONNECTION,
  FREE,
  MAX_ATOMIC_WRITE,
  MAX_KEPT_BODY,
  MAX_KEPT_CALLS,
  MAX_KEPT_CONNECTIONS,
  NOTHING,
  NOW,
  OPEN,
  READ_BYTES,
  UNDER_WAY,
  WRITING,
} from "./journal-layout.ts";

/** A whole frame, and where its call is. */
export interface Answer {
  readonly place: number | undefined;
  readonly bytes: Uint8Array;
}

/**
 * The connections and their open calls, in memory that outlives the agent. What the agent is about to do is marked before
 * it is done, so that whatever moment it dies at, the next one knows what is true, or knows that it doesn't.
 */
export class CallJournal {
  /** What an agent before left. Connections and calls keep their places until they are closed here. */
  readonly found: readonly FoundConnection[];
  /** Places of calls whose answer an agent before may have written or not. */
  readonly uncertain: ReadonlySet<number>;
  /** Places of calls of which nobody needs to take anything back: their answers, output in them too, are kept whole. */
  readonly keptWhole: ReadonlySet<number>;
  readonly #memory: CallMemory;
  readonly #freePlaces: number[] = [];
  readonly #freeConnections: number[] = [];
  #lastNumber = 0;
  /** Bytes of the read buffer that are to be made NOTHING before the next read. */
  #used = READ_BYTES;

  constructor(memory: CallMemory) {
    this.#memory = memory;
    const { connections, uncertain, keptWhole } = findCalls(memory);
    this.found = connections;
    this.uncertain = uncertain;
    this.keptWhole = keptWhole;
    this.#memory.setNow(NOW.writeConnection, 0);
    for (const { number } of connections) this.#lastNumber = Math.max(this.#lastNumber, number);
    const known = new Set(connections.flatMap(({ calls }) => calls.map(({ place }) => place)));
    for (let place = MAX_KEPT_CALLS - 1; place >= 0; place--) if (!known.has(place)) this.#freePlaces.push(place);
    for (let index = MAX_KEPT_CONNECTIONS - 1; index >= 0; index--) {
      if (memory.connection(index, CONNECTION.number) === 0) this.#freeConnections.push(index);
    }
  }

  /**
   * A place for a connection, and a number for its deposit; undefined when all are taken. It is asked for while the
   * connection's first call is being read, and that read is its own from now on.
   */
  openConnection(peerCid: number | undefined): { readonly index: number; readonly number: number } | undefined {
    const index = this.#freeConnections.pop();
    if (index === undefined) return undefined;
    const number = ++this.#lastNumber;
    for (const word of Object.values(CONNECTION)) this.#memory.setConnection(index, word, 0);
    this.#memory.setConnection(index, CONNECTION.peerCid, peerCid === undefined ? 0 : peerCid + 1);
    this.#memory.setConnection(index, CONNECTION.number, number);
    this.#memory.setNow(NOW.readConnection, index + 1);
    return { index, number };
  }

  /** Its calls are to be closed before. */
  closeConnection(index: number): void {
    this.#memory.setConnection(index, CONNECTION.number, 0);
    this.#freeConnections.push(index);
  }

  /**
   * Reads by `read` into memory that the next agent finds, for a connection (undefined: one without a place). The result
   * is that of `read`; the bytes stay until the next read.
   */
  read(index: number | undefined, read: (into: Uint8Array) => number): { count: number; bytes: Buffer } {
    const memory = this.#memory;
    const { readBuffer } = memory;
    readBuffer.fill(NOTHING, 0, this.#used);
    this.#used = 0;
    memory.setNow(NOW.readCount, UNDER_WAY);
    memory.setNow(NOW.readConnection, (index ?? -1) + 1);
    const count = read(readBuffer);
    memory.setNow(NOW.readCount, Math.max(count, 0));
    this.#used = Math.max(count, 0);
    return { count, bytes: readBuffer.subarray(0, this.#used) };
  }

  /** The handler of the call at this place is about to begin; undefined: it waits for something, or is done. */
  beginCall(place: number | undefined): void {
    this.#memory.setNow(NOW.begun, (place ?? -1) + 1);
  }

  /** What was read is in the places of calls, but for the beginning of a frame if it is half read. */
  noted(index: number | undefined, halfRead: boolean): void {
    if (index !== undefined) this.#memory.setConnection(index, CONNECTION.halfRead, halfRead ? 1 : 0);
    // What an agent before had read last is noted when its connection goes on.
    const ofIt = this.#memory.now(NOW.readConnection) === (index ?? -1) + 1;
    if (ofIt) this.#memory.setNow(NOW.readConnection, 0);
  }

  /**
   * A request: the body of its frame, and its deadline in milliseconds since the epoch (0: none). Undefined when all
   * places are taken, or there is no room for one more: the connection can't outlive the agent until `closeCall` was told of the call.
   */
  openCall(index: number, streamId: number, body: Uint8Array, deadline: number): number | undefined {
    const memory = this.#memory;
    const place = this.#freePlaces.pop();
    if (place === undefined || !memory.makePlace(place)) {
      if (place !== undefined) this.#freePlaces.push(place);
      this.#countUnknown(index, 1);
      return undefined;
    }
    const order = memory.now(NOW.order) + 1;
    memory.setNow(NOW.order, order);
    if (memory.now(NOW.top) <= place) memory.setNow(NOW.top, place + 1);
    memory.setCall(place, CALL.connection, index);
    memory.setCall(place, CALL.streamId, streamId);
    memory.setCall(place, CALL.order, order);
    memory.setCall(place, CALL.deaths, 0);
    memory.setDeadline(place, deadline);
    memory.setBody(place, body);
    memory.setCall(place, CALL.state, OPEN);
    return place;
  }

  /** Keeps an answer that has to wait, as a whole frame; one that is too long is not kept. */
  keepAnswer(place: number | undefined, frame: Uint8Array): void {
    if (place === undefined || frame.length > MAX_KEPT_BODY) return;
    // Without a body in between: a death there makes it a call that was cut off.
    this.#memory.setCall(place, CALL.length, 0);
    this.#memory.setCall(place, CALL.state, ANSWERED);
    this.#memory.setBody(place, frame);
  }

  /**
   * Writes answers by `write`, which gives how many of the `total` bytes went; fewer than those of the answers: the first
   * was begun before. `writeDone` is to follow. Small answers are kept for it: the next agent writes them again, and a
   * host drops an answer that it has already.
   */
  write(index: number, answers: readonly Answer[], total: number, write: () => number): number {
    const memory = this.#memory;
    const again = this.#keepAll(answers, total);
    memory.setNow(NOW.writeAgain, again ? 1 : 0);
    memory.setNow(NOW.writeTotal, total);
    memory.setNow(NOW.writeCount, UNDER_WAY);
    memory.setNow(NOW.writeConnection, index + 1);
    for (const { place } of answers) this.#mark(place, WRITING);
    const count = write();
    memory.setNow(NOW.writeCount, count);
    return count;
  }

  /** After `closeCall` of all that was written: those that were not, and whether one of them was begun. */
  writeDone(index: number, unwritten: readonly (number | undefined)[], halfWritten: boolean): void {
    this.#memory.setConnection(index, CONNECTION.halfWritten, halfWritten ? 1 : 0);
    for (const place of unwritten) this.#mark(place, 0);
    this.#memory.setNow(NOW.writeConnection, 0);
  }

  /** The answer is written, or never will be. */
  closeCall(index: number, place: number | undefined): void {
    if (place === undefined) this.#countUnknown(index, -1);
    else this.#free(place);
  }

  #keepAll(answers: readonly Answer[], total: number): boolean {
    if (total > MAX_ATOMIC_WRITE) return false;
    const fits = ({ place, bytes }: Answer) => place !== undefined && bytes.length <= MAX_KEPT_BODY;
    const whole = answers.reduce((sum, { bytes }) => sum + bytes.length, 0) === total;
    if (!whole || !answers.every(fits)) return false;
    for (const { place, bytes } of answers) this.keepAnswer(place, bytes);
    return true;
  }

  #free(place: number): void {
    this.#memory.setCall(place, CALL.state, FREE);
    this.#freePlaces.push(place);
  }

  #mark(place: number | undefined, mark: number): void {
    if (place === undefined) return;
    this.#memory.setCall(place, CALL.state, (this.#memory.call(place, CALL.state) & ~WRITING) | mark);
  }

  #countUnknown(index: number, by: number): void {
    const now = this.#memory.connection(index, CONNECTION.unknownCalls);
    this.#memory.setConnection(index, CONNECTION.unknownCalls, now + by);
  }
}
