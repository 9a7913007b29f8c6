import protobuf from "protobufjs/minimal.js";

/** 2^64 and 2^63 as numbers; 2^64-1 can't be one, its nearest is 2^64. */
const TWO_64 = 2 ** 64;
const TWO_63 = 2 ** 63;

/** The largest signed and unsigned values, as the library's pairs of 32-bit halves. */
const MAX_INT64 = { low: -1, high: 0x7fffffff };
const MAX_UINT64 = { low: -1, high: -1 };

/**
 * Maximum number of fields in a message, where each byte of a packed field counts as one: fields of two bytes each
 * would take a hundred times their length in memory.
 */
const MAX_FIELDS = 1 << 17;

type Bits = protobuf.Long | typeof MAX_INT64;

/**
 * Reads 64-bit integers as numbers. Above 2^53 it returns the nearest number, so 18446744073709551615 ("no limit")
 * reads as 2^64, above every limit; writing that number gives 18446744073709551615 again.
 */
class NumberReader extends protobuf.BufferReader {
  #fields = 0;

  static override recursionLimit = protobuf.Reader.recursionLimit;
  static override discardUnknown = true;

  static override create(bytes: Uint8Array): NumberReader {
    return new NumberReader(
      Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    );
  }

  /**
   * Reads up to ten bytes, with 63 bits in the first nine. Throws RangeError at the end of the message, Error if
   * longer.
   */
  #varint(signed: boolean): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.len) throw new RangeError(`index out of range: ${this.pos} + 1 > ${this.len}`);
      const byte = this.buf[this.pos++] ?? 0;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 128) return (signed ? high | 0 : high >>> 0) * 4294967296 + (low >>> 0);
    }
    throw new Error("invalid varint encoding");
  }

  /** Counts fields, including those of nested messages, which the same reader reads. Throws Error above MAX_FIELDS. */
  #count(more: number): void {
    this.#fields += more;
    if (this.#fields > MAX_FIELDS) throw new Error(`more than ${MAX_FIELDS} fields`);
  }

  override tag(): number {
    this.#count(1);
    return super.tag();
  }

  override uint32s(array?: number[]): number[] {
    this.#count(this.#packedLength());
    return super.uint32s(array);
  }

  override uint64s(array?: never[]): never {
    this.#count(this.#packedLength());
    return super.uint64s(array) as never;
  }

  /** Returns the length in bytes of the next packed field, an upper bound of its numbers. */
  #packedLength(): number {
    const at = this.pos;
    const length = this.uint32();
    this.pos = at;
    return length;
  }

  // The library declares Long here, but the generated code only stores the value.
  override uint64(): never {
    return this.#varint(false) as never;
  }

  override fixed64(): never {
    const low = this.fixed32();
    return (this.fixed32() * 4294967296 + low) as never;
  }

  /** Reads an exact value as decimal text. */
  uint64Text(): string {
    const start = this.pos;
    const near = this.#varint(false);
    if (Number.isSafeInteger(near)) return String(near);
    let value = 0n;
    for (let at = this.pos - 1; at >= start; at--) value = (value << 7n) | BigInt((this.buf[at] ?? 0) & 127);
    return String(BigInt.asUintN(64, value));
  }

  override int64(): never {
    return this.#varint(true) as never;
  }
}

/** Writes 64-bit integers from numbers, clamped to the range (never wrapped), or exactly from text. */
class NumberWriter extends protobuf.BufferWriter {
  static override create(): NumberWriter {
    return new NumberWriter();
  }

  /** Writes negative numbers as their two's complement: -1 is 2^64-1. */
  override uint64(value: number | string | Bits): protobuf.Writer {
    if (typeof value === "string") {
      const exact = BigInt(value);
      const low = Number(BigInt.asIntN(32, exact));
      return super.uint64({ low, high: Number(BigInt.asIntN(32, exact >> 32n)) } as unknown as string);
    }
    return super.uint64((typeof value === "number" && value >= TWO_64 ? MAX_UINT64 : value) as number);
  }

  override int64(value: number | string | Bits): protobuf.Writer {
    if (typeof value !== "number") return super.int64(value as string);
    return super.int64((value >= TWO_63 ? MAX_INT64 : Math.max(value, -TWO_63)) as number);
  }
}

/** Encodes and decodes messages of one type, in the generated code's way. */
interface GeneratedType {
  encode(message: unknown, writer?: protobuf.Writer, depth?: number): protobuf.Writer;
  decode(bytes: unknown, length?: number, endTag?: number, depth?: number, message?: unknown): unknown;
}

/** A message type whose code runs at its first use: an agent that starts or idles uses few of some 170. */
class LateType implements GeneratedType {
  readonly #make: () => GeneratedType;
  #made: GeneratedType | undefined;

  constructor(make: () => GeneratedType) {
    this.#make = make;
  }

  encode(message: unknown, writer?: protobuf.Writer, depth?: number): protobuf.Writer {
    this.#made ??= this.#make();
    return this.#made.encode(message, writer, depth);
  }

  decode(bytes: unknown, length?: number, endTag?: number, depth?: number, message?: unknown): unknown {
    this.#made ??= this.#make();
    return this.#made.decode(bytes, length, endTag, depth, message);
  }
}

/**
 * The runtime for the generated code: protobufjs's minimal runtime with the reader and writer above, and without `long`
 * even if that package is installed. The library itself stays unchanged for its other users in the process.
 *
 * @public
 */
export const runtime = {
  Reader: NumberReader,
  Writer: NumberWriter,
  util: Object.create(protobuf.util, {
    Long: { value: null },
  }) as typeof protobuf.util,
  roots: {} as Record<string, unknown>,
  late: (make: () => GeneratedType) => new LateType(make),
};
