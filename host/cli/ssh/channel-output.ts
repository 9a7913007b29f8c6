import type { Writable } from "node:stream";
import type { ServerChannel } from "ssh2";

/** Writes to a channel of ssh2. Resolves once ssh's window has room for the bytes, or drops them once `gone` is aborted. */
export function writeOutput(
  channel: ServerChannel,
  name: "stdout" | "stderr",
  bytes: Uint8Array,
  gone: AbortSignal,
): Promise<void> {
  if (gone.aborted) return Promise.resolve();
  const to: Writable = name === "stdout" ? channel : channel.stderr;
  return new Promise((resolve) => {
    const done = () => {
      gone.removeEventListener("abort", done);
      forgetChunks(channel);
      resolve();
    };
    gone.addEventListener("abort", done, { once: true });
    to.write(bytes, done);
  });
}

/**
 * ssh2 1.17 keeps a chunk that waited for the window after it was sent, and sends it again when stderr waits next. Only
 * one write is in progress at a time, so after it no chunk waits.
 */
function forgetChunks(channel: ServerChannel): void {
  Object.assign(channel, { _chunk: undefined, _chunkcb: undefined, _chunkErr: undefined, _chunkcbErr: undefined });
}
