/** Returns a generator of numbers from 0 to 1 that the seed determines (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Boundary values of integers. */
const EDGES = [
  0, 1, 2, 7, 8, 15, 16, 63, 64, 100, 127, 128, 255, 256, 511, 512, 4095, 4096, 32767, 32768, 65535, 65536,
];
const LARGE = [0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x10000000];

export interface MutatorParts {
  readonly random: () => number;
  readonly maxLength: number;
  readonly words: readonly Buffer[];
  /** Returns another input from the corpus. */
  other(): Buffer;
  /**
   * Returns a pair of values that the code recently compared: the input's own, and the one that it was compared with.
   */
  compared(): readonly [string | number, string | number] | undefined;
}

/** Makes new inputs from old ones. */
export class Mutator {
  readonly #parts: MutatorParts;

  constructor(parts: MutatorParts) {
    this.#parts = parts;
  }

  mutate(input: Buffer): Buffer {
    let bytes: Buffer = Buffer.from(input);
    for (let count = 1 << this.#below(4); count > 0; count--) bytes = this.#once(bytes);
    return bytes.length > this.#parts.maxLength ? bytes.subarray(0, this.#parts.maxLength) : bytes;
  }

  #below(end: number): number {
    return Math.floor(this.#parts.random() * end);
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#below(items.length)];
  }

  #once(bytes: Buffer): Buffer {
    const at = this.#below(bytes.length + 1);
    switch (bytes.length === 0 ? 8 : this.#below(15)) {
      case 0:
        return set(bytes, at, (byte) => byte ^ (1 << this.#below(8)));
      case 1:
        return set(bytes, at, () => this.#below(256));
      case 2:
        return set(bytes, at, (byte) => byte + this.#below(35) - 17);
      case 3:
        return this.#number(bytes, at);
      case 4:
        return splice(bytes, at, this.#length(bytes.length - at), EMPTY);
      case 5: {
        const length = this.#length(Math.min(bytes.length - at, 256));
        return splice(bytes, this.#below(bytes.length + 1), 0, bytes.subarray(at, at + length));
      }
      case 6: {
        const length = this.#length(Math.min(bytes.length - at, 256));
        return splice(bytes, this.#below(bytes.length + 1), length, bytes.subarray(at, at + length));
      }
      case 7: {
        const filler = this.#below(3) === 0 ? this.#below(256) : (bytes[at] ?? 0);
        return splice(bytes, at, 0, Buffer.alloc(1 << this.#below(9), filler));
      }
      case 8:
        return splice(bytes, at, 0, Buffer.from(Array.from({ length: 1 + this.#below(8) }, () => this.#below(256))));
      case 9:
        return splice(bytes, at, 0, this.#pick(this.#parts.words) ?? EMPTY);
      case 10: {
        const word = this.#pick(this.#parts.words) ?? EMPTY;
        return splice(bytes, at, word.length, word);
      }
      case 11:
        return this.#cross(bytes, at);
      case 12:
        return this.#digits(bytes);
      default:
        return this.#asCompared(bytes);
    }
  }

  #length(most: number): number {
    const short = 1 + this.#below(8);
    return Math.max(Math.min(this.#below(3) === 0 ? 1 + this.#below(most) : short, most), 0);
  }

  /** Writes a boundary value as an integer of 1, 2, 4 or 8 bytes, or as a varint. */
  #number(bytes: Buffer, at: number): Buffer {
    const value = (this.#pick(this.#below(4) === 0 ? LARGE : EDGES) ?? 0) * (this.#below(8) === 0 ? -1 : 1);
    const kind = this.#below(6);
    if (kind === 5) return splice(bytes, at, 1, varint(value >>> 0));
    const wide = Buffer.alloc(8);
    wide.writeBigInt64LE(BigInt(value));
    const narrow = wide.subarray(0, [1, 2, 4, 4, 8][kind] ?? 1);
    if (this.#below(2) === 0) narrow.reverse();
    return splice(bytes, at, narrow.length, narrow);
  }

  /** Joins the start of one input with the end of another, or inserts a part of the other. */
  #cross(bytes: Buffer, at: number): Buffer {
    const other = this.#parts.other();
    const from = this.#below(other.length + 1);
    if (this.#below(2) === 0) return Buffer.concat([bytes.subarray(0, at), other.subarray(from)]);
    return splice(bytes, at, 0, other.subarray(from, from + this.#length(other.length - from)));
  }

  /** Replaces a decimal number with another. */
  #digits(bytes: Buffer): Buffer {
    const found = [...bytes.toString("latin1").matchAll(/\d+/g)];
    const match = this.#pick(found);
    if (match === undefined) return this.#asCompared(bytes);
    const value = this.#below(3) === 0 ? Number(match[0]) + this.#below(3) - 1 : this.#pick([...EDGES, ...LARGE]);
    const text = this.#below(12) === 0 ? "9".repeat(1 + this.#below(40)) : String(value);
    return splice(bytes, match.index, match[0].length, Buffer.from(text));
  }

  #asCompared(bytes: Buffer): Buffer {
    const pair = this.#parts.compared();
    if (pair === undefined) return set(bytes, this.#below(bytes.length), () => this.#below(256));
    const [from, to] = this.#below(2) === 0 ? pair : ([pair[1], pair[0]] as const);
    for (const encode of this.#below(2) === 0 ? ENCODINGS : ENCODINGS.toReversed()) {
      const [old, now] = [encode(from), encode(to)];
      if (old === undefined || now === undefined || old.length === 0) continue;
      const start = this.#below(bytes.length);
      const place = bytes.indexOf(old, start) >= 0 ? bytes.indexOf(old, start) : bytes.indexOf(old);
      if (place >= 0) return splice(bytes, place, old.length, now);
    }
    const text = ENCODINGS[0]?.(to) ?? EMPTY;
    return splice(bytes, this.#below(bytes.length + 1), this.#below(2) * text.length, text);
  }
}

const EMPTY = Buffer.alloc(0);

type Encode = (value: string | number) => Buffer | undefined;

const ENCODINGS: readonly Encode[] = [
  (value) => Buffer.from(String(value).slice(0, 128)),
  (value) => integer(value, 1, (into, number) => into.writeUInt8(number)),
  (value) => integer(value, 2, (into, number) => into.writeUInt16LE(number)),
  (value) => integer(value, 2, (into, number) => into.writeUInt16BE(number)),
  (value) => integer(value, 4, (into, number) => into.writeUInt32LE(number)),
  (value) => integer(value, 4, (into, number) => into.writeUInt32BE(number)),
];

function integer(value: string | number, size: number, write: (into: Buffer, number: number) => void) {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) return undefined;
  const bytes = Buffer.alloc(size);
  write(bytes, value);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left & 127) | 128);
  }
}

function set(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  if (at < bytes.length) bytes[at] = change(bytes[at] ?? 0) & 255;
  return bytes;
}

function splice(bytes: Buffer, at: number, removed: number, added: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(Math.min(at + removed, bytes.length))]);
}
