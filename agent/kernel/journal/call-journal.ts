import { monotonicMs } from "../monotonic-ms.ts";
import type { CallMemory } from "./call-memory.ts";
import { beginningOf, chainsInUse, type FoundConnection, findCalls } from "./found-calls.ts";
import {
  ANSWERED,
  CALL,
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

/** A whole response frame, and the place of its call. */
export interface Answer {
  readonly place: number | undefined;
  readonly bytes: Uint8Array;
}

/** System calls on a connection; the kernel writes the number of bytes transferred into the header of `region`. */
type Read = (region: Uint8Array) => number;
type Write = (region: Uint8Array, length: number) => number;

/**
 * Connections and their open calls, in memory that outlives the agent. The agent marks what it is about to do before it does
 * it, and the kernel itself records what it did, so the next agent knows the state whenever this one dies.
 */
export class CallJournal {
  /** Connections left by the previous agent. They and their calls keep their places until they are closed here. */
  readonly found: readonly FoundConnection[];
  readonly #memory: CallMemory;
  readonly #kept: KeptBytes;
  /** Places that are free again, the last one last. */
  readonly #freePlaces: number[] = [];
  /** First place that was never used: a list of all would take the agent's start some ms. */
  #fresh: number;
  readonly #freeConnections: number[] = [];
  /** 1 for each connection with a partly received request in the journal. */
  readonly #begins = new Uint8Array(MAX_KEPT_CONNECTIONS).fill(1);
  #lastNumber = 0;

  constructor(memory: CallMemory) {
    this.#memory = memory;
    this.#kept = new KeptBytes(memory, chainsInUse(memory));
    this.found = findCalls(memory, this.#kept);
    for (const { number } of this.found) this.#lastNumber = Math.max(this.#lastNumber, number);
    const known = new Set(this.found.flatMap(({ calls }) => calls.map(({ place }) => place)));
    this.#fresh = memory.top;
    for (let place = memory.top - 1; place >= 0; place--) {
      if (known.has(place)) continue;
      memory.setCall(place, CALL.length, 0);
      memory.setCall(place, CALL.chain, 0);
      this.#freePlaces.push(place);
    }
    for (let index = MAX_KEPT_CONNECTIONS - 1; index >= 0; index--) {
      if (memory.connection(index, CONNECTION.number) === 0) this.#freeConnections.push(index);
    }
  }

  /**
   * Reserves a place for a connection and a number for its deposit; undefined if all places are taken. Called while the
   * connection's first bytes are being processed; that read is then recorded as the connection's.
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

  /** Frees a connection's place. Its calls must have been closed before. */
  closeConnection(index: number): void {
    this.#memory.setConnection(index, CONNECTION.number, 0);
    this.#kept.free(beginningOf(this.#memory, index));
    this.#freeConnections.push(index);
  }

  /**
   * Reads from a connection (undefined: one without a place) into memory that outlives the agent. Returns the result of
   * `read`; the bytes are valid until the next read.
   */
  read(index: number | undefined, read: Read): { count: number; bytes: Buffer } {
    const memory = this.#memory;
    memory.receivedNothing();
    memory.setNow(NOW.readNumber, (memory.now(NOW.readNumber) % MAX_NUMBER) + 1);
    memory.setNow(NOW.readConnection, (index ?? -1) + 1);
    const count = read(memory.readRegion);
    return { count, bytes: memory.readBuffer.subarray(0, Math.max(count, 0)) };
  }

  /** Records that the handler of the call at this place is about to start; undefined: it has returned or awaits something. */
  beginCall(place: number | undefined): void {
    if (place !== undefined) this.#memory.setNow(NOW.begunAt, Math.round(monotonicMs()) % MAX_MS);
    this.#memory.setNow(NOW.begun, (place ?? -1) + 1);
  }

  /** Returns the progress of a call, a number that its handler defines; 0: not started. */
  progress(place: number | undefined): number {
    return place === undefined ? 0 : this.#memory.call(place, CALL.progress);
  }

  /** Returns the memory of a call's progress, for a system call that notes it. */
  progressMemory(place: number | undefined): Int32Array | undefined {
    return place === undefined ? undefined : this.#memory.callWord(place, CALL.progress);
  }

  note(place: number | undefined, progress: number): void {
    if (place !== undefined) this.#memory.setCall(place, CALL.progress, progress);
  }

  /**
   * Records that the bytes read are now in the places of their calls, except for the last `unended` bytes: a partly received
   * request.
   */
  noted(index: number | undefined, bytes: Buffer, unended: number): void {
    const memory = this.#memory;
    if (index !== undefined) this.#keepBeginning(index, bytes, unended);
    // The previous agent's last read is recorded only once its own connection resumes.
    if (memory.now(NOW.readConnection) === (index ?? -1) + 1) memory.setNow(NOW.readConnection, 0);
  }

  /**
   * Records a request: the body of its frame, or the result of `names` if the body finds no room, and its deadline in
   * ms of the monotonic clock (0: none). Returns undefined if there is no place for it; the connection then can't outlive
   * the agent until `closeCall` is called for this call.
   */
  openCall(
    index: number,
    streamId: number,
    body: Uint8Array,
    deadline: number,
    names?: () => Uint8Array,
  ): number | undefined {
    const memory = this.#memory;
    const place = this.#freePlaces.pop() ?? (this.#fresh < MAX_KEPT_CALLS ? this.#fresh++ : undefined);
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

  /** Keeps the whole frame of an answer that waits to be written; if there is no room, the call stays open. */
  keepAnswer(place: number | undefined, frame: Uint8Array): void {
    const memory = this.#memory;
    if (place === undefined) return;
    const state = memory.call(place, CALL.state);
    if ((state & ANSWERED) !== 0 && memory.call(place, CALL.length) === frame.length) return;
    // The body is empty in between: if the agent dies there, the call counts as cut off.
    this.#kept.setBody(place, frame, () => memory.setCall(place, CALL.state, ANSWERED | (state & WRITING)));
  }

  /**
   * Writes as many answers as fit one write, without the `begun` bytes of the first that are already written. Returns the
   * number of bytes that `write` sent and the number it was given. Must be followed by `writeDone`.
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

  /**
   * Ends a write, after `closeCall` of each written answer. `unwritten` are the others; `begun` bytes of the first were
   * written.
   */
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

  /** Frees the place of a call whose answer is written, or never will be. */
  closeCall(index: number, place: number | undefined): void {
    if (place === undefined) this.#countUnknown(index, -1);
    else {
      this.#memory.setCall(place, CALL.state, FREE);
      this.#kept.freeBody(place);
      this.#freePlaces.push(place);
    }
  }

  /**
   * Copies answers into the write buffer. Keeps a frame that needs more than one write first, because the buffer lacks its
   * end.
   */
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

  /** Updates the inactive one of two (head, length) pairs, then switches to it and to the current read with a single word. */
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

/** Longest partly received request that is kept: 4 MiB and the frame header. Longer requests are refused. */
const MAX_BEGINNING = (4 << 20) + 10;
/** Highest number of a read; numbers then start at 1 again. */
const MAX_NUMBER = 2 ** 29;
