import { decodeHuffman } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

export type HeaderField = readonly [name: string, value: string];

/** Overhead of an entry of the dynamic table, by RFC 7541. */
const ENTRY_BYTES = 32;
/** Size of the dynamic table until the sender changes it, and the largest one that is followed. */
const TABLE_BYTES = 4096;
const MAX_TABLE_BYTES = 1 << 16;
/** Most characters of a decoded block: a byte can stand for a whole entry of the table. */
const MAX_BLOCK_CHARACTERS = 1 << 18;

/** Decodes the header blocks of one direction of an HTTP/2 connection (RFC 7541), in their order. */
export class HpackDecoder {
  /** The newest entry comes first. */
  #table: HeaderField[] = [];
  #tableBytes = 0;
  #mostBytes = TABLE_BYTES;

  /** Returns the fields of a whole block. Throws RangeError; afterwards the direction can't be decoded any more. */
  decode(block: Buffer): HeaderField[] {
    const reader = new BlockReader(block);
    const fields: HeaderField[] = [];
    let characters = 0;
    while (!reader.ended) {
      const field = this.#field(reader);
      if (field === undefined) continue;
      fields.push(field);
      characters += sizeOf(field);
      if (characters > MAX_BLOCK_CHARACTERS) throw new RangeError("headers of over 256 KiB");
    }
    return fields;
  }

  /** Reads one representation; undefined for a change of the table's size. */
  #field(reader: BlockReader): HeaderField | undefined {
    const first = reader.peek();
    if (first >= 0x80) return this.#entry(reader.integer(7));
    if (first >= 0x40) {
      const field = this.#literal(reader, 6);
      this.#add(field);
      return field;
    }
    if (first < 0x20) return this.#literal(reader, 4); // never added to the table
    const size = reader.integer(5);
    if (size > MAX_TABLE_BYTES) throw new RangeError("a header table of over 64 KiB");
    this.#mostBytes = size;
    this.#evict();
    return undefined;
  }

  #literal(reader: BlockReader, prefix: number): HeaderField {
    const index = reader.integer(prefix);
    const name = index === 0 ? reader.string() : this.#entry(index)[0];
    return [name, reader.string()];
  }

  #entry(index: number): HeaderField {
    const entry = STATIC_TABLE[index - 1] ?? this.#table[index - 1 - STATIC_TABLE.length];
    if (entry === undefined) throw new RangeError(`no header field has the index ${index}`);
    return entry;
  }

  #add(field: HeaderField): void {
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#mostBytes) {
      const oldest = this.#table.pop();
      if (oldest === undefined) break;
      this.#tableBytes -= sizeOf(oldest);
    }
  }
}

/** Returns the bytes that a field counts for in HPACK. */
export const sizeOf = ([name, value]: HeaderField) => name.length + value.length + ENTRY_BYTES;

class BlockReader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  get ended(): boolean {
    return this.#at >= this.#block.length;
  }

  peek(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw new RangeError("a header block without its end");
    return byte;
  }

  /** Reads an integer whose first bits are the last `prefix` bits of a byte. */
  integer(prefix: number): number {
    const most = 2 ** prefix - 1;
    let value = this.peek() & most;
    this.#at += 1;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.peek();
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("an integer of over 28 bits");
  }

  string(): string {
    const isHuffman = this.peek() >= 0x80;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw new RangeError("a header block without its end");
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return isHuffman ? decodeHuffman(bytes) : bytes.toString("latin1");
  }
}
