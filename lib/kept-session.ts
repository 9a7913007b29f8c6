import type { Http2Session, Http2Stream } from "node:http2";

const kept = new FinalizationRegistry<object>(() => undefined);

/**
 * Keeps an HTTP/2 session in memory for as long as its stream. Otherwise Node may free the session first, and then aborts the
 * process (`current_nghttp2_memory_`) if the peer began the stream's headers and never ended them. Call it for each stream of a
 * client. It does nothing on a Node that names the session's native part otherwise.
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
