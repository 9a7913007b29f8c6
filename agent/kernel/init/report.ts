import { AgentError } from "../error.ts";
import type { Fd, Sys } from "../kernel.ts";
import type { LaunchReport } from "./plan.ts";

const RECORD_BYTES = 16;
const MAX_TEXT = 240;
const READY = 1;
const FAILED = 2;

/**
 * Reads the reports of a launched child. Takes no more from the pipe than the report it returns, so a later reader of the same
 * descriptor continues there. Makes the descriptor non-blocking; the caller keeps owning it.
 */
export class ReportReader {
  readonly #sys: Pick<Sys, "poll" | "read">;
  readonly #fd: Fd;

  constructor(sys: Pick<Sys, "poll" | "read">, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /** Resolves with the next report. Rejects with the signal's reason, or SystemError if the pipe fails. */
  async next(signal?: AbortSignal): Promise<LaunchReport | { readonly kind: "executed" }> {
    const record = Buffer.alloc(RECORD_BYTES);
    const length = await this.#read(record, signal);
    if (length === 0) return { kind: "executed" };
    const [kind, index, errno] = [record.readUInt32LE(0), record.readUInt32LE(4), record.readInt32LE(8)];
    const textBytes = record.readUInt32LE(12);
    if (length !== RECORD_BYTES || textBytes > MAX_TEXT || (kind !== READY && kind !== FAILED)) {
      throw new AgentError("internal", `read report on fd ${this.#fd}: not a launch report (${length} bytes)`);
    }
    // A report is one write of less than PIPE_BUF, so its text has arrived too.
    const text = Buffer.alloc(textBytes);
    const got = textBytes === 0 ? 0 : this.#sys.read(this.#fd, text);
    if (kind === FAILED) return { kind: "failed", index, errno, text: text.toString("utf8", 0, got).trim() };
    const micros = Array.from({ length: got >> 1 }, (_, at) => text.readUInt16LE(at * 2));
    return { kind: "ready", ...(micros.length > 0 && { micros }) };
  }

  async #read(into: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      // Polls first, which makes the descriptor non-blocking.
      await this.#sys.poll(this.#fd, "read", signal);
      const got = this.#sys.read(this.#fd, into);
      if (got >= 0) return got;
    }
  }
}
