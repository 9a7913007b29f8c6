import { AgentError } from "../error.ts";
import type { Fd, ReportReader as Reader, Sys } from "../kernel.ts";
import type { LaunchReport } from "./plan.ts";

const RECORD_BYTES = 16;
const MAX_TEXT = 240;
const READY = 1;
const FAILED = 2;

/**
 * Reads what a launched child reports. It takes no more from the pipe than the report it returns, so that a later reader
 * of the same descriptor goes on where this one ended. The descriptor is made non-blocking and stays the caller's.
 */
export class ReportReader implements Reader {
  readonly #sys: Pick<Sys, "poll" | "read">;
  readonly #fd: Fd;

  constructor(sys: Pick<Sys, "poll" | "read">, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /** Rejects with the reason of the signal, with SystemError when the pipe fails. */
  async next(signal?: AbortSignal): Promise<LaunchReport | { readonly kind: "executed" }> {
    const record = Buffer.alloc(RECORD_BYTES);
    const length = await this.#read(record, signal);
    if (length === 0) return { kind: "executed" };
    const [kind, index, errno] = [record.readUInt32LE(0), record.readUInt32LE(4), record.readInt32LE(8)];
    const textBytes = record.readUInt32LE(12);
    if (length !== RECORD_BYTES || textBytes > MAX_TEXT || (kind !== READY && kind !== FAILED)) {
      throw new AgentError("internal", `read report on fd ${this.#fd}: not a report of a launch (${length} bytes)`);
    }
    // A report is one write, shorter than what a pipe takes at once: its text is there.
    const text = Buffer.alloc(textBytes);
    const got = textBytes === 0 ? 0 : await this.#read(text, signal);
    if (kind === READY) return { kind: "ready" };
    return { kind: "failed", index, errno, text: text.toString("utf8", 0, got).trim() };
  }

  async #read(into: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      // Waits first: the descriptor may be a blocking one still.
      await this.#sys.poll(this.#fd, "read", signal);
      const got = this.#sys.read(this.#fd, into);
      if (got >= 0) return got;
    }
  }
}
