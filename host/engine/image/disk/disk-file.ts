import type { FileHandle } from "node:fs/promises";
import { overLimit } from "../../../../image/over-limit.ts";
import { PFN_DATA_OFFSET, PFN_SUPERBLOCK_OFFSET, pfnSuperblock } from "../../../../lib/pmem/pfn-superblock.ts";

/** Bytes of a block of the file system: a page of the guest. */
export const BLOCK = 4096;
const BUFFER = 1 << 20;
/** Bytes of which a guest's kernel maps whole numbers. */
const SIZE_UNIT = 2 << 20;

/** Offset in bytes of the file system in the file. */
export const FILE_SYSTEM_START = PFN_DATA_OFFSET;

/**
 * Writes a file system from its beginning to its end, in large pieces. The file is an NVDIMM for a guest: the header before the
 * file system lets the guest map it (DAX).
 */
export class DiskFile {
  readonly #file: FileHandle;
  readonly #limit: number;
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #buffered = 0;
  #written = 0;

  /** @param limit bytes that the file system may have; more are refused */
  constructor(file: FileHandle, limit: number) {
    this.#file = file;
    this.#limit = limit;
  }

  /** Offset in bytes in the file system of what is written next. */
  get position(): number {
    return this.#written + this.#buffered;
  }

  /** Throws ImageError if the file system would exceed its limit. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.position + bytes.length > this.#limit) throw overLimit("its root needs", this.#limit);
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BUFFER - this.#buffered);
      this.#buffer.set(part, this.#buffered);
      this.#buffered += part.length;
      at += part.length;
      if (this.#buffered === BUFFER) await this.#flush();
    }
  }

  /** Fills with zeros up to a position. */
  async fillTo(position: number): Promise<void> {
    await this.write(Buffer.alloc(position - this.position));
  }

  /** Fills the last block with zeros. */
  async endBlock(): Promise<void> {
    await this.fillTo(Math.ceil(this.position / BLOCK) * BLOCK);
  }

  /** Writes what is left, replaces the beginning, and waits until the disk has all of it. */
  async finish(beginning: Uint8Array): Promise<void> {
    await this.#flush();
    await writeAll(this.#file, beginning, FILE_SYSTEM_START);
    await writeAll(this.#file, pfnSuperblock(FILE_SYSTEM_START, SIZE_UNIT), PFN_SUPERBLOCK_OFFSET);
    await this.#file.truncate(Math.ceil((FILE_SYSTEM_START + this.#written) / SIZE_UNIT) * SIZE_UNIT);
    await this.#file.datasync();
  }

  async #flush(): Promise<void> {
    await writeAll(this.#file, this.#buffer.subarray(0, this.#buffered), FILE_SYSTEM_START + this.#written);
    this.#written += this.#buffered;
    this.#buffered = 0;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}
