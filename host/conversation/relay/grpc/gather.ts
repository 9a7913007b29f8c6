import type { ClientHttp2Stream, ServerHttp2Stream } from "node:http2";
import { MAX_BODY_BYTES } from "../../../../proto/ttrpc-frame.ts";
import { STALLED_MS } from "../frame-passage.ts";

/** Size of the compression flag and length before a message. */
const PREFIX_BYTES = 5;

/** Bytes of one direction of a call. */
export interface Gathered {
  readonly bytes: Buffer;
  /** False if more may follow: the direction paused, or has over 4 MiB. */
  readonly isWhole: boolean;
}

/** Reads one direction of a call to its end; undefined if its stream was reset. If it isn't whole, the rest stays in the stream. */
export function gather(stream: ClientHttp2Stream | ServerHttp2Stream): Promise<Gathered | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (gathered: Gathered | undefined) => {
      clearTimeout(stalled);
      stream.off("data", take).off("end", end).off("close", close);
      resolve(gathered);
    };
    const partial = () => {
      stream.pause();
      settle({ bytes: Buffer.concat(chunks), isWhole: false });
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      stalled.refresh();
      if (length > MAX_BODY_BYTES + PREFIX_BYTES) partial();
    };
    const end = () => settle({ bytes: Buffer.concat(chunks), isWhole: true });
    const close = () => settle(undefined);
    const stalled = setTimeout(partial, STALLED_MS);
    stream.on("data", take).on("end", end).on("close", close);
  });
}
