import type { Duplex } from "node:stream";

interface Head<T> {
  readonly value: T;
  readonly length: number;
}

/**
 * Reads the beginning of a stream and leaves the bytes after it there. `take` gets all bytes so far, and returns the value and its
 * length once it is complete. Rejects with its error, that of the stream, `ended()`, or the signal's reason.
 */
export function readHead<T>(
  socket: Duplex,
  signal: AbortSignal,
  take: (seen: Buffer) => Head<T> | undefined,
  ended: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    const leave = () => {
      socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", fail);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown) => {
      leave();
      reject(error);
    };
    const takeAll = () => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        seen = Buffer.concat([seen, chunk]);
        const head = take(seen);
        if (head === undefined) continue;
        leave();
        if (seen.length > head.length) socket.unshift(seen.subarray(head.length));
        resolve(head.value);
        return;
      }
    };
    const onReadable = () => {
      try {
        takeAll();
      } catch (error) {
        fail(error);
      }
    };
    const onEnd = () => fail(ended());
    const onAbort = () => fail(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("readable", onReadable).on("end", onEnd).on("close", onEnd).on("error", fail);
    if (socket.destroyed) onEnd();
  });
}

/** Longest line in bytes. Of hybrid vsock they have at most 19. */
const MAX_LINE_BYTES = 256;

/** Reads one line without its end and leaves the bytes after it in the stream. Rejects with a one-line error. */
export function readLine(
  socket: Duplex,
  signal: AbortSignal,
  { peer, remedy }: { readonly peer: string; readonly remedy: string },
): Promise<string> {
  const take = (seen: Buffer) => {
    const end = seen.indexOf(10);
    if (end !== -1) return { value: seen.toString("latin1", 0, end).trimEnd(), length: end + 1 };
    if (seen.length >= MAX_LINE_BYTES) throw new Error(`${peer} sent ${MAX_LINE_BYTES} bytes without a line end`);
    return undefined;
  };
  return readHead(socket, signal, take, () => new Error(`${peer} closed the connection; ${remedy}`));
}
