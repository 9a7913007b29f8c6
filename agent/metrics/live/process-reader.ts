import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { TICKS_PER_SECOND } from "../agent-process.ts";
import { KeptFile } from "./kept-file.ts";

const AT_PAGESZ = 6n;

export interface ProcessUsage {
  cpu_micros?: number;
  /** Resident bytes. */
  memory?: number;
  threads?: number;
}

/** Reads the usage of one process, which belongs to `pid` at the first reading. */
export class ProcessReader {
  readonly #stat: KeptFile;

  constructor(pid: number | "self") {
    this.#stat = new KeptFile(`/proc/${pid}/stat`);
  }

  /** Returns an empty usage once the process has ended. */
  read(): ProcessUsage {
    const text = this.#stat.read();
    if (text === undefined) return {};
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const field = (number: number) => Number(fields[number - 3]);
    return {
      cpu_micros: ((field(14) + field(15)) * 1_000_000) / TICKS_PER_SECOND,
      memory: field(24) * pageBytes(),
      threads: field(20),
    };
  }

  close(): void {
    this.#stat.close();
  }
}

let page: number | undefined;

/** Returns the size of a page, as the kernel tells each process. */
function pageBytes(): number {
  page ??= readPageBytes();
  return page;
}

function readPageBytes(): number {
  const vector = readFileSync("/proc/self/auxv");
  const read = (at: number) => (endianness() === "LE" ? vector.readBigUInt64LE(at) : vector.readBigUInt64BE(at));
  for (let at = 0; at + 16 <= vector.length; at += 16) if (read(at) === AT_PAGESZ) return Number(read(at + 8));
  return 4096;
}
