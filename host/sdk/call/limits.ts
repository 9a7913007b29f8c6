import { MAX_TIMER_MS } from "../../../lib/max-timer.ts";
import { sandboxError, toSandboxError } from "../error/to-sandbox-error.ts";

/** Limits of a call; every call of the SDK takes them. */
export interface CallLimits {
  /** Milliseconds after which the call rejects with `timeout`. Default: no limit. */
  readonly timeoutMs?: number;
  /** Makes the call reject with `aborted`. */
  readonly signal?: AbortSignal;
}

/**
 * Calls `work` with a signal that aborts at the limits. Rejects with SandboxError at the limits, even if the work
 * continues, and with the work's own error as SandboxError. `operation` begins the lines of errors.
 */
export async function limited<T>(
  operation: string,
  limits: CallLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = limitOf(operation, limits);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(limit.signal.reason);
  limit.signal.addEventListener("abort", onAbort, { once: true });
  try {
    limit.signal.throwIfAborted();
    return await Promise.race([work(limit.signal), aborted.promise]);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : toSandboxError(operation, error);
  } finally {
    limit.signal.removeEventListener("abort", onAbort);
    limit[Symbol.dispose]();
  }
}

/** Like `limited`, but rejects only once the work has ended: for work that cleans up after itself when the signal aborts. */
export async function limitedToEnd<T>(
  operation: string,
  limits: CallLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using limit = limitOf(operation, limits);
  try {
    limit.signal.throwIfAborted();
    return await work(limit.signal);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : toSandboxError(operation, error);
  }
}

/** Yields what `items` yields, with the limits of `limited` for all of it. */
export async function* limitedItems<T>(
  operation: string,
  limits: CallLimits,
  items: (signal: AbortSignal) => AsyncIterable<T>,
): AsyncGenerator<T, void> {
  using limit = limitOf(operation, limits);
  try {
    limit.signal.throwIfAborted();
    yield* items(limit.signal);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : toSandboxError(operation, error);
  }
}

/** Returns a signal that aborts with SandboxError at the limits; disposal releases the timer. */
export function limitOf(
  operation: string,
  { timeoutMs, signal }: CallLimits,
): Disposable & { readonly signal: AbortSignal } {
  const limit = new AbortController();
  const stop = () => limit.abort(sandboxError("aborted", `${operation}: its signal was aborted`, signal?.reason));
  const late = () => limit.abort(sandboxError("timeout", `${operation}: not done within ${timeoutMs} ms`));
  if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
    throw sandboxError("invalid-argument", `${operation}: timeoutMs ${timeoutMs} is no number of milliseconds`);
  }
  const timer = timeoutMs === undefined || timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(late, timeoutMs);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  return {
    signal: limit.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}
