import { LINK_HEADER, RECORD_HEADER } from "./pcap.ts";

const SECTION = 0x0a0d_0d0a;
const INTERFACE = 1;
const PACKET = 6;
const BYTE_ORDER = 0x1a2b_3c4d;
const UNKNOWN_LENGTH = 0xffff_ffff;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const NANOSECONDS = 9;
/** LINKTYPE_LINUX_SLL: direction and sender, but no index, which readers would look up among their own interfaces. */
const LINUX_SLL = 113;
const SLL_HEADER = 16;
/** Interfaces that are remembered. An agent that names more gets some of them written again. */
const MAX_INTERFACES = 4096;

/** Writes a pcapng file whose interfaces have the guest's names. Each is described before its first packet. */
export class PcapngFile {
  readonly #snapLength: number;
  readonly #names = new Map<number, string>();
  /** Numbers in the file by indexes in the guest. */
  readonly #described = new Map<number, number>();
  #count = 0;

  /** Packets have up to `snapLength` bytes after their link headers. */
  constructor(snapLength: number) {
    this.#snapLength = snapLength;
  }

  /** Returns the beginning of the file. */
  begin(): Buffer {
    const body = Buffer.alloc(16);
    body.writeUInt32LE(BYTE_ORDER, 0);
    body.writeUInt16LE(1, 4);
    body.writeUInt32LE(UNKNOWN_LENGTH, 8);
    body.writeUInt32LE(UNKNOWN_LENGTH, 12);
    return block(SECTION, body);
  }

  /** Notes the name of an interface, for the packets that follow. */
  name(index: number, name: string): void {
    if (this.#names.get(index) === name) return;
    if (this.#names.size === MAX_INTERFACES) this.#names.clear();
    this.#names.set(index, name);
    this.#described.delete(index);
  }

  /** Returns the blocks of packets in pcap records, each of which ends at one of `ends`. */
  packets(records: Buffer, ends: readonly number[]): Buffer {
    return Buffer.concat(ends.flatMap((end, at) => this.#packet(records.subarray(at === 0 ? 0 : ends[at - 1], end))));
  }

  /** Returns the end of the file: tcpdump refuses one without any interface. */
  end(): Buffer {
    return this.#count === 0 ? this.#describe("any") : Buffer.alloc(0);
  }

  #packet(record: Buffer): Buffer[] {
    const link = record.subarray(RECORD_HEADER, RECORD_HEADER + LINK_HEADER);
    const index = link.readUInt32BE(4);
    const blocks: Buffer[] = [];
    let number = this.#described.get(index);
    if (number === undefined) {
      if (this.#described.size === MAX_INTERFACES) this.#described.clear();
      number = this.#count;
      this.#described.set(index, number);
      blocks.push(this.#describe(this.#names.get(index) ?? `if${index}`));
    }
    const payload = record.subarray(RECORD_HEADER + LINK_HEADER);
    const body = Buffer.alloc(padded(20 + SLL_HEADER + payload.length));
    const time = BigInt(record.readUInt32LE(0)) * 1_000_000_000n + BigInt(record.readUInt32LE(4));
    body.writeUInt32LE(number, 0);
    body.writeUInt32LE(Number(time >> 32n), 4);
    body.writeUInt32LE(Number(time & 0xffff_ffffn), 8);
    body.writeUInt32LE(payload.length + SLL_HEADER, 12);
    body.writeUInt32LE(record.readUInt32LE(12) - LINK_HEADER + SLL_HEADER, 16);
    body.writeUInt16BE(link.readUInt8(10), 20);
    link.copy(body, 22, 8, 10);
    body.writeUInt16BE(link.readUInt8(11), 24);
    link.copy(body, 26, 12, 20);
    link.copy(body, 34, 0, 2);
    payload.copy(body, 20 + SLL_HEADER);
    return [...blocks, block(PACKET, body)];
  }

  #describe(name: string): Buffer {
    this.#count++;
    const body = Buffer.alloc(8);
    body.writeUInt16LE(LINUX_SLL, 0);
    body.writeUInt32LE(this.#snapLength + SLL_HEADER, 4);
    const options = [option(IF_NAME, Buffer.from(name)), option(IF_TSRESOL, Buffer.of(NANOSECONDS)), Buffer.alloc(4)];
    return block(INTERFACE, Buffer.concat([body, ...options]));
  }
}

const padded = (length: number) => Math.ceil(length / 4) * 4;

function option(code: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + padded(value.length));
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt16LE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

function block(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(bytes.length, 4);
  body.copy(bytes, 8);
  bytes.writeUInt32LE(bytes.length, bytes.length - 4);
  return bytes;
}
