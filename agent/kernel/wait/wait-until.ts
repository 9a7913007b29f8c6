/**
 * Resolves like `promise`, or rejects with the signal's reason if it aborts first. The promise itself is not cancelled; a
 * later rejection is ignored.
 */
export function waitUntil<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const result = Promise.withResolvers<T>();
  const abort = () => result.reject(signal.reason);
  promise.then(result.resolve, result.reject);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return result.promise.finally(() => signal.removeEventListener("abort", abort));
}
