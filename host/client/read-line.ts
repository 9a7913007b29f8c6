import type { Duplex } from "node:stream";

/** Longest line in bytes. Of hybrid vsock they have at most 19. */
const MAX_LINE_BYTES = 256;

/** Reads one line without its end and leaves the bytes after it in the stream. Rejects with a one-line error. */
export function readLine(
  socket: Duplex,
  signal: AbortSignal,
  { peer, remedy }: { readonly peer: string; readonly remedy: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    let done = false;
    const finish = (settle: () => void): void => {
      done = true;
      socket.off("readable", onReadable).off("end", onEnd).off("error", onError);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onReadable = (): void => {
      while (!done) {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null) break;
        seen = Buffer.concat([seen, chunk]);
        const end = seen.indexOf(10);
        if (end !== -1) {
          socket.unshift(seen.subarray(end + 1));
          finish(() => resolve(seen.toString("latin1", 0, end).trimEnd()));
        } else if (seen.length >= MAX_LINE_BYTES) {
          finish(() => reject(new Error(`${peer} sent ${MAX_LINE_BYTES} bytes without a line end`)));
        }
      }
    };
    const onEnd = (): void => finish(() => reject(new Error(`${peer} closed the connection; ${remedy}`)));
    const onError = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => finish(() => reject(signal.reason));
    socket.on("readable", onReadable).on("end", onEnd).on("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
