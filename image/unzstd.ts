import { once } from "node:events";
import { totalmem } from "node:os";
import { constants, createZstdDecompress, type ZstdDecompress } from "node:zlib";
import { zstdFrames } from "./zstd-frames.ts";

/**
 * Bytes as a power of two, which a frame can make a decoder keep: a sixteenth of the memory, but not less than the 8 MiB
 * that RFC 8878 (3.1.1.1.2) asks for, nor more than the 128 MiB of the zstd command.
 */
export const windowLog = (memory: number): number => Math.min(Math.max(Math.floor(Math.log2(memory / 16)), 23), 27);

/**
 * The content of a zstd stream of any number of frames; zstd:chunked has one for each file. Node's own decoder is for one
 * frame: what follows in a later chunk it leaves out without a word.
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  largest = windowLog(totalmem()),
): AsyncGenerator<Uint8Array> {
  let decoder: ZstdDecompress | undefined;
  try {
    for await (const { bytes, isLast } of zstdFrames(source)) {
      const current = decoder ?? newDecoder(largest);
      decoder = current;
      yield* decoded(current, () => new Promise((resolve) => current.write(bytes, resolve)));
      if (!isLast) continue;
      yield* ended(current);
      decoder = undefined;
    }
    if (decoder !== undefined) yield* ended(decoder);
  } finally {
    decoder?.destroy();
  }
}

/** Errors may come when nobody waits for them any more. */
function newDecoder(largest: number): ZstdDecompress {
  const decoder = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: largest } });
  return decoder.on("error", () => undefined);
}

function ended(decoder: ZstdDecompress): AsyncGenerator<Uint8Array> {
  return decoded(decoder, async () => {
    const end = once(decoder, "end");
    decoder.end();
    await end;
  });
}

/** What comes out until `work`, which puts something in, is done. */
async function* decoded(decoder: ZstdDecompress, work: () => Promise<unknown>): AsyncGenerator<Uint8Array> {
  let failure: Error | undefined;
  let isDone = false;
  let wake = () => {};
  const onReadable = () => wake();
  const onError = (error: Error) => {
    failure ??= error;
    wake();
  };
  decoder.on("readable", onReadable).on("error", onError);
  try {
    void work().then(() => {
      isDone = true;
      wake();
    }, onError);
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const wasDone = isDone;
      for (let out = decoder.read(); out !== null; out = decoder.read()) yield out as Uint8Array;
      if (failure !== undefined) throw failure;
      if (wasDone) return;
      await woken;
    }
  } finally {
    decoder.off("readable", onReadable).off("error", onError);
  }
}
