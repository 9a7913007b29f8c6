/** What the promise gives, or the signal's reason if that comes first. The promise goes on, and may fail unheard. */
export function waitUntil<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const result = Promise.withResolvers<T>();
  const abort = () => result.reject(signal.reason);
  promise.then(result.resolve, result.reject);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return result.promise.finally(() => signal.removeEventListener("abort", abort));
}
