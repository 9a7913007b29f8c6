import { setTimeout as sleep } from "node:timers/promises";
import { RegistryError } from "./registry-error.ts";

const PAUSES_MS = [250, 1000, 4000];
/** Longest pause that a registry may request. */
const MAX_PAUSE_MS = 30_000;
/** Connection errors that a retry may overcome. */
const PASSING = new Set(["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EAI_AGAIN"]);
const BUSY = new Set([429, 502, 503, 504]);

interface Answer {
  readonly statusCode?: number | undefined;
  readonly headers: { readonly "retry-after"?: string | undefined };
  destroy(): void;
}

/**
 * Sends a request up to four times while the registry is busy or the connection breaks. Returns the last response or
 * throws the last error.
 */
export async function tryAgain<T extends Answer>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const pause of PAUSES_MS) {
    let wait = pause;
    try {
      const answer = await ask();
      if (!BUSY.has(answer.statusCode ?? 0)) return answer;
      wait = Math.min(Math.max(pause, Number(answer.headers["retry-after"] ?? 0) * 1000 || 0), MAX_PAUSE_MS);
      answer.destroy();
    } catch (error) {
      if (signal.aborted || !(error instanceof RegistryError) || !PASSING.has(error.code)) throw error;
    }
    await sleep(wait, undefined, { signal });
  }
  return ask();
}
