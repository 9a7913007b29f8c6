import { writeSync } from "node:fs";
import type { Fd } from "../../kernel/kernel.ts";

/** Bytes before the core itself in the file of a core dump: keep-core.c writes the first half, the agent the second. */
export const HEADER_BYTES = 4096;
const AGENT_AT = 2048;
const MAGIC = "guestd core 1\n\0\0";
const [SIZE_AT, CUT_AT, FACTS_AT, TEXT_AT] = [16, 24, 28, 32] as const;

/** Template of core_pattern for the facts below, in their order. The process chooses the last one, which may have spaces. */
export const FACTS = "%P %p %s %u %g %t %e";
const NUMBERS = 6;

/**
 * Why a core is cut: the handler's limit, no memory, its time limit, an error, by the header's number. The agent finds out by
 * itself that the process was killed while it dumped.
 */
const CUTS = ["", "limit", "memory", "time", "error", "killed"] as const;
const KILLED_AT = 5;

/** Facts about a process that dumped its core, noted by the kernel and the handler. */
export interface CoreFacts {
  /** Pid in the guest. */
  readonly pid: number;
  /** Pid as the process itself saw it. */
  readonly ownPid: number;
  readonly signal: number;
  readonly uid: number;
  readonly gid: number;
  /** In ms. */
  readonly ms: number;
  /** Chosen by the process, as its name was; up to 15 bytes, of any kind. */
  readonly command: string;
  /** Path in the hierarchy of cgroup v2; empty if unknown. */
  readonly cgroup: string;
  /** Bytes of the core. */
  readonly size: number;
  /** Empty: the core is whole. */
  readonly cut: (typeof CUTS)[number];
}

/** Writes into a core dump's file that its process was killed before it had dumped everything. */
export function markKilled(fd: Fd): void {
  const number = Buffer.alloc(4);
  number.writeUInt32LE(KILLED_AT);
  writeSync(fd, number, 0, number.length, CUT_AT);
}

/** Container and exec that a process belonged to; both empty for one of the guest. */
export interface CoreOwner {
  readonly container: string;
  /** Empty unless the process was an exec itself. */
  readonly exec: string;
}

/** Reads the handler's half of a header. Returns undefined if it is none. */
export function readFacts(header: Buffer): CoreFacts | undefined {
  if (header.length < HEADER_BYTES || header.toString("latin1", 0, MAGIC.length) !== MAGIC) return undefined;
  const texts = header.toString("utf8", TEXT_AT, AGENT_AT).split("\0");
  const count = header.readUInt32LE(FACTS_AT);
  const size = Number(header.readBigUInt64LE(SIZE_AT));
  const cut = CUTS[header.readUInt32LE(CUT_AT)];
  const [pid = NaN, ownPid = NaN, signal = NaN, uid = NaN, gid = NaN, seconds = NaN] = texts
    .slice(0, NUMBERS)
    .map(numberOf);
  const isWhole = [pid, ownPid, signal, uid, gid, seconds, size].every(Number.isSafeInteger);
  if (!isWhole || count <= NUMBERS || cut === undefined) return undefined;
  // Before Linux 5.3 a name with spaces arrives as several arguments.
  const command = texts.slice(NUMBERS, count).join(" ");
  const cgroup = /^0::(\/.*)$/m.exec(texts[count] ?? "")?.[1] ?? "";
  return { pid, ownPid, signal, uid, gid, ms: seconds * 1000, command, cgroup, size, cut };
}

/** Returns the agent's half of a header, to be written at `AGENT_AT`. Throws if the ids are too long. */
export function encodeOwner({ container, exec }: CoreOwner): { readonly at: number; readonly bytes: Buffer } {
  const bytes = Buffer.alloc(HEADER_BYTES - AGENT_AT);
  const text = JSON.stringify({ container, exec });
  if (bytes.write(text) < Buffer.byteLength(text))
    throw new RangeError("the ids of a container and an exec are too long");
  return { at: AGENT_AT, bytes };
}

/** Reads the agent's half of a header; undefined if it wasn't written. */
export function readOwner(header: Buffer): CoreOwner | undefined {
  const [text = ""] = header.toString("utf8", AGENT_AT, HEADER_BYTES).split("\0");
  try {
    const { container, exec }: Partial<CoreOwner> = JSON.parse(text);
    return typeof container === "string" && typeof exec === "string" ? { container, exec } : undefined;
  } catch {
    return undefined;
  }
}

function numberOf(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
}
