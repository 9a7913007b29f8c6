import type { Http2Session, Http2Stream } from "node:http2";

const kept = new FinalizationRegistry<object>(() => undefined);

/**
 * Keeps the memory of an HTTP/2 session until that of the stream is collected. Otherwise Node may free the session first, and then
 * aborts the process (`current_nghttp2_memory_`) if the stream has headers that its peer began and never ended. Call it for each
 * stream of a client.
 */
export function keepSession(stream: Http2Stream): void {
  if (stream.pending) stream.once("ready", () => keepOpen(stream));
  else keepOpen(stream);
}

function keepOpen(stream: Http2Stream): void {
  const handle = stream.session && nativeHandle(stream.session);
  if (handle !== undefined) kept.register(stream, handle);
}

/** Returns Node's native part of a session, which has no public name; undefined once the session is destroyed. */
export function nativeHandle(session: Http2Session): object | undefined {
  const name = Object.getOwnPropertySymbols(session).find(({ description }) => description === "kHandle");
  return name && (session as unknown as Readonly<Record<symbol, object | undefined>>)[name];
}
