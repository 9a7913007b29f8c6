import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Size of `struct control` in agent/native/sys-faults/faults.c, and the offsets of its fields, in bytes. */
const SIZE = 92;
const AT = { count: 0, first: 4, last: 8, variant: 12, hits: 16, error: 20, name: 24, only: 56, death: 88 } as const;
const NAME_BYTES = 32;

/** The calls that must fail. */
export interface Fault {
  /** Number of the first call, from 1. */
  readonly first: number;
  /** Number of the last call; default: `first`. */
  readonly last?: number;
  /** Index among the errnos that the kernel may return for this call. */
  readonly variant: number;
  /** Counts only calls of this name, as in faults.c. */
  readonly only?: string;
  /** Kills the process instead. For the calls that faults.c lists as FAULT. */
  readonly death?: "before" | "after";
}

const DEATHS = { before: 1, after: 2 } as const;

export interface Hit {
  /** Number of calls that failed. */
  readonly hits: number;
  /** Name of the last call that was to fail; empty if there were fewer calls. */
  readonly name: string;
  readonly errno: number;
  /** Number of calls that were made. */
  readonly count: number;
}

/** The file through which a test controls the system calls of an agent with sys-faults.node (GUESTD_FAULTS). */
export class FaultControl {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, "w+");
    writeSync(this.#fd, Buffer.alloc(4096), 0, 4096, 0);
  }

  /** Restarts the count at 1, and makes these calls fail. */
  arm({ first, last = first, variant, only = "", death }: Fault): void {
    this.disarm();
    this.#write(AT.name, Buffer.alloc(NAME_BYTES));
    this.#write(AT.only, Buffer.from(only.padEnd(NAME_BYTES, "\0")));
    for (const at of [AT.hits, AT.error, AT.count]) this.#setNumber(at, 0);
    this.#setNumber(AT.death, death === undefined ? 0 : DEATHS[death]);
    this.#setNumber(AT.variant, variant);
    this.#setNumber(AT.last, last);
    this.#setNumber(AT.first, first);
  }

  /** Lets all calls succeed again. Returns what happened. */
  disarm(): Hit {
    this.#setNumber(AT.first, 0);
    const bytes = Buffer.alloc(SIZE);
    readSync(this.#fd, bytes, 0, SIZE, 0);
    const [name = ""] = bytes.toString("latin1", AT.name, AT.name + NAME_BYTES).split("\0");
    const number = (at: number) => bytes.readUInt32LE(at);
    return { hits: number(AT.hits), name, errno: number(AT.error), count: number(AT.count) };
  }

  /** Number of calls that have failed so far. */
  get hits(): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#fd, bytes, 0, 4, AT.hits);
    return bytes.readUInt32LE();
  }

  close(): void {
    closeSync(this.#fd);
  }

  #setNumber(at: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.#write(at, bytes);
  }

  #write(at: number, bytes: Buffer): void {
    writeSync(this.#fd, bytes, 0, bytes.length, at);
  }
}
