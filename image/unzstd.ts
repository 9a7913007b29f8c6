import { once } from "node:events";
import { totalmem } from "node:os";
import { constants, createZstdDecompress, type ZstdDecompress } from "node:zlib";

/**
 * Largest window, as a power of two in bytes, that a frame may make the decoder allocate: a sixteenth of the memory, at least the
 * 8 MiB that RFC 8878 (3.1.1.1.2) recommends, at most the 128 MiB of the zstd command.
 */
export const windowLog = (memory: number): number => Math.min(Math.max(Math.floor(Math.log2(memory / 16)), 23), 27);

/**
 * Decompresses a zstd stream of any number of frames; zstd:chunked has one for each file. Node's decoder ends with a frame and
 * drops whatever follows in the same chunk, so the rest of that chunk goes to a new decoder.
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  largest = windowLog(totalmem()),
): AsyncGenerator<Uint8Array> {
  let decoder: ZstdDecompress | undefined;
  try {
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0; ) {
        const current = decoder ?? newDecoder(largest);
        decoder = current;
        const [input, before] = [rest, current.bytesWritten];
        yield* decoded(current, () => new Promise((resolve) => current.write(input, resolve)));
        const consumed = current.bytesWritten - before;
        if (consumed === 0) throw new Error("zstd decoder made no progress");
        rest = rest.subarray(consumed);
        if (rest.length === 0) continue;
        current.destroy();
        decoder = undefined;
      }
    }
    if (decoder !== undefined) yield* ended(decoder);
  } finally {
    decoder?.destroy();
  }
}

function newDecoder(largest: number): ZstdDecompress {
  const decoder = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: largest } });
  // Otherwise an error after the last read would end the process.
  return decoder.on("error", () => undefined);
}

function ended(decoder: ZstdDecompress): AsyncGenerator<Uint8Array> {
  return decoded(decoder, async () => {
    const end = once(decoder, "end");
    decoder.end();
    await end;
  });
}

/** Yields the decoder's output until `work`, which gives it input, has finished. */
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
