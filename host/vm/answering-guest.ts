import { dial } from "../client/dial.ts";

/** A port that nothing in a guest listens on: the last before VMADDR_PORT_ANY. */
const UNUSED_PORT = 2 ** 32 - 2;
/** Time for the first answer in milliseconds; each attempt gets twice the time of the one before. */
const FIRST_MS = 250;

/**
 * Resolves once the guest's vsock driver answers, by refusing a connection. A driver that is still starting takes
 * connections before it can answer them, and an answer that it drops never comes: each such connection is given up and
 * another is made. Rejects with the reason of `signal`.
 */
export async function waitUntilAnswering(address: (port: number) => string, signal: AbortSignal): Promise<void> {
  for (let limit = FIRST_MS; ; limit *= 2) {
    signal.throwIfAborted();
    const late = AbortSignal.timeout(limit);
    const stream = await dial(address(UNUSED_PORT), {
      timeoutMs: 2 * limit,
      signal: AbortSignal.any([signal, late]),
    }).catch(() => undefined);
    stream?.destroy();
    if (!late.aborted && !signal.aborted) return;
  }
}
