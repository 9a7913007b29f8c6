import { beginningOf, chainsInUse, type FoundConnection, findCalls } from "./found-calls.ts";
import {
  ANSWERED,
  CALL,
  type CallMemory,
  CONNECTION,
  FREE,
  MAX_KEPT_CALLS,
  MAX_KEPT_CONNECTIONS,
  MAX_MS,
  NOW,
  OPEN,
  WRITE_BYTES,
  WRITING,
} from "./journal-layout.ts";
import { KeptBytes, NO_BYTES } from "./kept-bytes.ts";

/** A whole frame, and where its call is. */
export interface Answer {
  readonly place: number | undefined;
  readonly bytes: Uint8Array;
}

/** A system call on a connection: into the header of `region` the kernel writes how many bytes went. */
type Read = (region: Uint8Array) => number;
type Write = (region: Uint8Array, length: number) => number;

/**
 * The connections and their open calls, in memory that outlives the agent. What the agent is about to do is marked before
 * it is done, and what the kernel did is noted by the kernel, so that whatever moment it dies at, the next one knows.
 */
export class CallJournal {
  /** What an agent before left. Connections and calls keep their places until they are closed here. */
  readonly found: readonly FoundConnection[];
  readonly #memory: CallMemory;
  readonly #kept: KeptBytes;
  readonly #freePlaces: number[] = [];
  readonly #freeConnections: number[] = [];
  /** 1 for each connection of which the beginning of a request is kept. */
  readonly #begins = new Uint8Array(MAX_KEPT_CONNECTIONS).fill(1);
  #lastNumber = 0;

  constructor(memory: CallMemory) {
    this.#memory = memory;
    this.#kept = new KeptBytes(memory, chainsInUse(memory));
    this.found = findCalls(memory, this.#kept);
    for (const { number } of this.found) this.#lastNumber = Math.max(this.#lastNumber, number);
    const known = new Set(this.found.flatMap(({ calls }) => calls.map(({ place }) => place)));
    for (let place = MAX_KEPT_CALLS - 1; place >= 0; place--) {
      if (known.has(place)) continue;
      if (place < memory.top) {
        memory.setCall(place, CALL.length, 0);
        memory.setCall(place, CALL.chain, 0);
      }
      this.#freePlaces.push(place);
    }
    for (let index = MAX_KEPT_CONNECTIONS - 1; index >= 0; index--) {
      if (memory.connection(index, CONNECTION.number) === 0) this.#freeConnections.push(index);
    }
  }

  /**
   * A place for a connection, and a number for its deposit; undefined when all are taken. It is asked for while the
   * first bytes of the connection are being read, and that read is its own from now on.
   */
  openConnection(peerCid: number | undefined): { readonly index: number; readonly number: number } | undefined {
    const index = this.#freeConnections.pop();
    if (index === undefined) return undefined;
    const number = ++this.#lastNumber;
    this.#memory.clearConnection(index);
    this.#memory.setConnection(index, CONNECTION.peerCid, peerCid === undefined ? 0 : peerCid + 1);
    this.#memory.setConnection(index, CONNECTION.number, number);
    this.#memory.setNow(NOW.readConnection, index + 1);
    return { index, number };
  }

  /** Its calls are to be closed before. */
  closeConnection(index: number): void {
    this.#memory.setConnection(index, CONNECTION.number, 0);
    this.#kept.free(beginningOf(this.#memory, index));
    this.#freeConnections.push(index);
  }

  /**
   * Reads by `read` into memory that the next agent finds, for a connection (undefined: one without a place). The result
   * is that of `read`; the bytes stay until the next read.
   */
  read(index: number | undefined, read: Read): { count: number; bytes: Buffer } {
    const memory = this.#memory;
    memory.receivedNothing();
    memory.setNow(NOW.readNumber, (memory.now(NOW.readNumber) % MAX_NUMBER) + 1);
    memory.setNow(NOW.readConnection, (index ?? -1) + 1);
    const count = read(memory.readRegion);
    return { count, bytes: memory.readBuffer.subarray(0, Math.max(count, 0)) };
  }

  /** The handler of the call at this place is about to begin; undefined: it waits for something, or is done. */
  beginCall(place: number | undefined): void {
    if (place !== undefined) this.#memory.setNow(NOW.begunAt, Date.now() % MAX_MS);
    this.#memory.setNow(NOW.begun, (place ?? -1) + 1);
  }

  /** How far a call has come, by a number that its handler understands; 0: not begun. */
  progress(place: number | undefined): number {
    return place === undefined ? 0 : this.#memory.call(place, CALL.progress);
  }

  note(place: number | undefined, progress: number): void {
    if (place !== undefined) this.#memory.setCall(place, CALL.progress, progress);
  }

  /** What was read is in the places of calls, but for the beginning of a request: the last bytes of all that came. */
  noted(index: number | undefined, bytes: Buffer, unended: number): void {
    const memory = this.#memory;
    if (index !== undefined) this.#keepBeginning(index, bytes, unended);
    // What an agent before had read last is noted when its connection goes on.
    if (memory.now(NOW.readConnection) === (index ?? -1) + 1) memory.setNow(NOW.readConnection, 0);
  }

  /**
   * A request: the body of its frame, or if there is no room for that what `names` gives, and its deadline in milliseconds
   * since the epoch (0: none). Undefined when all places are taken, or there is no room for one more: the connection can't
   * outlive the agent until `closeCall` was told of the call.
   */
  openCall(
    index: number,
    streamId: number,
    body: Uint8Array,
    deadline: number,
    names?: () => Uint8Array,
  ): number | undefined {
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
    memory.setCall(place, CALL.progress, 0);
    memory.setDeadline(place, deadline);
    if (!this.#kept.setBody(place, body) && names !== undefined) this.#kept.setBody(place, names());
    memory.setCall(place, CALL.state, OPEN);
    return place;
  }

  /** Keeps an answer that has to wait, as a whole frame; without room for it the call stays open. */
  keepAnswer(place: number | undefined, frame: Uint8Array): void {
    const memory = this.#memory;
    if (place === undefined) return;
    const state = memory.call(place, CALL.state);
    if ((state & ANSWERED) !== 0 && memory.call(place, CALL.length) === frame.length) return;
    // Without a body in between: a death there makes it a call that was cut off.
    this.#kept.setBody(place, frame, () => memory.setCall(place, CALL.state, ANSWERED | (state & WRITING)));
  }

  /**
   * Writes answers by `write`, which gives how many bytes went: as much of them as one write takes, and without the bytes
   * of the first that are written before. Returns that count and how many there were. `writeDone` is to follow.
   */
  write(index: number | undefined, answers: readonly Answer[], begun: number, write: Write): [number, number] {
    const memory = this.#memory;
    const total = this.#stage(answers, begun);
    memory.setNow(NOW.writeTotal, total);
    memory.sentNothing();
    memory.setNow(NOW.writeConnection, (index ?? -1) + 1);
    let at = -begun;
    for (const { place, bytes } of index === undefined ? [] : answers) {
      if (place !== undefined) {
        memory.setCall(place, CALL.at, at);
        memory.setCall(place, CALL.size, bytes.length);
        memory.setCall(place, CALL.state, memory.call(place, CALL.state) | WRITING);
      }
      at += bytes.length;
    }
    return [write(memory.writeRegion, total), total];
  }

  /** After `closeCall` of all that was written: those that were not, and how much of the first of them was. */
  writeDone(index: number, unwritten: readonly Answer[], begun: number): void {
    const memory = this.#memory;
    const [first] = unwritten;
    if (first?.place !== undefined && begun > 0) {
      this.keepAnswer(first.place, first.bytes);
      memory.setConnection(index, CONNECTION.begun, begun);
      memory.setConnection(index, CONNECTION.begunPlace, first.place + 1);
    } else memory.setConnection(index, CONNECTION.begunPlace, 0);
    memory.setNow(NOW.writeConnection, 0);
    for (const { place } of unwritten) {
      if (place !== undefined) memory.setCall(place, CALL.state, memory.call(place, CALL.state) & ~WRITING);
    }
  }

  /** The answer is written, or never will be. */
  closeCall(index: number, place: number | undefined): void {
    if (place === undefined) this.#countUnknown(index, -1);
    else {
      this.#memory.setCall(place, CALL.state, FREE);
      this.#kept.freeBody(place);
      this.#freePlaces.push(place);
    }
  }

  /** A frame that takes more than one write is kept before: its end is not in what is written first. */
  #stage(answers: readonly Answer[], begun: number): number {
    const { writeBuffer } = this.#memory;
    let total = 0;
    for (const { place, bytes } of answers) {
      if (bytes.length > WRITE_BYTES) this.keepAnswer(place, bytes);
      const isPart = (total === 0 && begun > 0) || bytes.length > WRITE_BYTES - total;
      const part = isPart ? bytes.subarray(total === 0 ? begun : 0).subarray(0, WRITE_BYTES - total) : bytes;
      writeBuffer.set(part, total);
      total += part.length;
    }
    return total;
  }

  /** One word says which of the two pairs counts, and of which read it is. */
  #keepBeginning(index: number, bytes: Buffer, unended: number): void {
    const memory = this.#memory;
    if (unended === 0 && this.#begins[index] === 0) return;
    this.#begins[index] = unended === 0 ? 0 : 1;
    const before = beginningOf(memory, index);
    const isMore = unended > bytes.length;
    const isLost = unended > MAX_BEGINNING || (isMore && before.length < 0);
    const beginning = isMore ? before : NO_BYTES;
    const added =
      unended === 0 ? NO_BYTES : isLost ? undefined : this.#kept.append(beginning, bytes.subarray(-unended));
    const chain = added ?? { head: 0, length: -1 };
    const merged = memory.connection(index, CONNECTION.merged);
    const slot = 1 - (merged & 1);
    memory.setConnection(index, CONNECTION.head + slot, chain.head);
    memory.setConnection(index, CONNECTION.length + slot, chain.length);
    memory.setConnection(index, CONNECTION.merged, memory.now(NOW.readNumber) * 2 + slot);
    if (!isMore || added === undefined) this.#kept.free(before);
  }

  #countUnknown(index: number, by: number): void {
    const now = this.#memory.connection(index, CONNECTION.unknownCalls);
    this.#memory.setConnection(index, CONNECTION.unknownCalls, now + by);
  }
}

/** Longest beginning of a request that is kept: one of 4 MiB. What is longer is refused. */
const MAX_BEGINNING = (4 << 20) + 10;
/** Reads are counted up to here, then from 1 again. */
const MAX_NUMBER = 2 ** 29;
