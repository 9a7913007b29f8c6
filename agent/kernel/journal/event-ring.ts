import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

/** Events that are kept. */
export const KEPT_EVENTS = 4096;
/** Divides a page, so a write of it is complete or was not made, whenever the agent is killed. */
const RECORD_BYTES = 512;
/** u64 number of the event, u16 length. */
const HEADER_BYTES = 10;
export const MAX_EVENT_BYTES = RECORD_BYTES - HEADER_BYTES;

/** The last events of this boot, numbered from 1, in a file that outlives the agent. Takes memory only as it fills. */
export class EventRing {
  readonly #fd: number;
  readonly #record = Buffer.alloc(RECORD_BYTES);
  #last: number;

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    this.#last = this.#findLast();
  }

  /** Number of the newest event; 0 if none happened. */
  get last(): number {
    return this.#last;
  }

  /** Number of the oldest event that is kept; 1 if none happened. */
  get first(): number {
    return Math.max(1, this.#last - KEPT_EVENTS + 1);
  }

  /** Adds an event. Throws if it is too long, or if no memory is left for it; then it has no number. */
  append(event: Uint8Array): void {
    if (event.length > MAX_EVENT_BYTES) throw new RangeError(`an event of ${event.length} bytes is too long`);
    const number = this.#last + 1;
    const record = this.#record.fill(0);
    record.writeBigUInt64LE(BigInt(number), 0);
    record.writeUInt16LE(event.length, 8);
    record.set(event, HEADER_BYTES);
    writeSync(this.#fd, record, 0, RECORD_BYTES, placeOf(number));
    this.#last = number;
  }

  /** Returns an event; undefined if it isn't kept. */
  read(number: number): Uint8Array | undefined {
    if (number < this.first || number > this.#last || this.#numberAt(number) !== number) return undefined;
    const length = Math.min(this.#record.readUInt16LE(8), MAX_EVENT_BYTES);
    return new Uint8Array(this.#record.subarray(HEADER_BYTES, HEADER_BYTES + length));
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Finds the newest event: the numbers grow by 1 from place to place up to it, and are lower behind it. */
  #findLast(): number {
    const base = this.#numberAt(1);
    if (base === 0) return 0;
    let [low, high] = [0, KEPT_EVENTS - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#numberAt(base + middle) === base + middle) low = middle;
      else high = middle - 1;
    }
    return base + low;
  }

  /** Reads the record in the place of an event, and returns the number that is there; 0 if none is. */
  #numberAt(number: number): number {
    const length = readSync(this.#fd, this.#record, 0, RECORD_BYTES, placeOf(number));
    return length === RECORD_BYTES ? Number(this.#record.readBigUInt64LE(0)) : 0;
  }
}

function placeOf(number: number): number {
  return ((number - 1) % KEPT_EVENTS) * RECORD_BYTES;
}
