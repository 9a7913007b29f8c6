import { totalmem } from "node:os";
import { AgentError } from "../../kernel/error.ts";
import type { OutputMode } from "../../kernel/journal/stream-ledger.ts";
import { SPOOL_STEP_BYTES } from "./spool-file.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
export const MIN_KEEP_BYTES = 16 * KIB;
const MOST = { ring: MIB, spool: 64 * MIB } as const;
const USUAL = { ring: 256 * KIB, spool: MIB } as const;
/** Most bytes of all spools and rings. */
export const MAX_SPOOL_BYTES = Math.min(totalmem() / 16, 256 * MIB);

/** How a client wants the output of a process to be kept. */
export interface OutputRequest extends Pick<OutputMode, "kind"> {
  /** Bytes of each output; 0 is the agent's choice. */
  readonly keepBytes: number;
}

/** Returns the size of each output's file: 0 for HOLD. Throws if it can't be. */
export function keepBytesOf({ kind, keepBytes }: OutputRequest): number {
  if (kind === "hold" && keepBytes === 0) return 0;
  if (kind === "hold") {
    throw new AgentError(
      "invalid-argument",
      `attach: keep_bytes is ${keepBytes} without a mode that keeps; set ring or spool`,
    );
  }
  const bytes = keepBytes === 0 ? USUAL[kind] : keepBytes;
  if (bytes >= MIN_KEEP_BYTES && bytes <= MOST[kind]) return Math.ceil(bytes / SPOOL_STEP_BYTES) * SPOOL_STEP_BYTES;
  throw new AgentError(
    "invalid-argument",
    `attach: keep_bytes is ${bytes}, not from ${MIN_KEEP_BYTES} to ${MOST[kind]}`,
  );
}
