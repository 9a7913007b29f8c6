/** A part of a zstd stream that lies in one frame. */
export interface FramePiece {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

type Wanted = { readonly take: number } | { readonly skip: number };

const MAGIC = 0xfd2f_b528;
const SKIPPABLE = 0x184d_2a50;
const [RLE_BLOCK, LAST_BLOCK] = [1, 1];

/** Walks over one frame (RFC 8878, 3.1): asks for the bytes that tell how long its parts are. Content is not looked at. */
function* walkFrame(): Generator<Wanted, void, Uint8Array> {
  const magic = littleEndian(yield { take: 4 });
  if ((magic & ~0xf) >>> 0 === SKIPPABLE) {
    yield { skip: littleEndian(yield { take: 4 }) };
    return;
  }
  if (magic !== MAGIC) throw new Error("what follows is no frame of zstd");
  const [descriptor = 0] = yield { take: 1 };
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  yield { skip: (isSingle ? 0 : 1) + dictionary + contentSize };
  for (let header = 0; (header & LAST_BLOCK) === 0; ) {
    header = littleEndian(yield { take: 3 });
    yield { skip: ((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3 };
  }
  if ((descriptor & 4) !== 0) yield { skip: 4 };
}

/** The stream's bytes, cut where a frame ends. Throws for what is no frame; a frame that breaks off has no last piece. */
export async function* zstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<FramePiece> {
  let walk: Walk | undefined;
  for await (const chunk of source) {
    for (let start = 0; start < chunk.length; ) {
      walk ??= new Walk();
      const end = walk.go(chunk, start);
      const isLast = walk.isDone;
      if (isLast) walk = undefined;
      yield { bytes: chunk.subarray(start, end), isLast };
      start = end;
    }
  }
}

class Walk {
  isDone = false;
  readonly #frame = walkFrame();
  readonly #taken: number[] = [];
  #wanted: Wanted = { skip: 0 };
  #left = 0;

  constructor() {
    this.#next();
  }

  /** Goes on from `at`; gives where the frame, or the chunk, ends. */
  go(chunk: Uint8Array, at: number): number {
    let place = at;
    while (!this.isDone) {
      const count = Math.min(this.#left, chunk.length - place);
      if ("take" in this.#wanted) this.#taken.push(...chunk.subarray(place, place + count));
      place += count;
      this.#left -= count;
      if (this.#left > 0) break;
      this.#next();
    }
    return place;
  }

  #next(): void {
    const { value, done } = this.#frame.next(Uint8Array.from(this.#taken.splice(0)));
    this.isDone = done === true;
    if (value === undefined) return;
    this.#wanted = value;
    this.#left = "take" in value ? value.take : value.skip;
  }
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((number, byte) => number * 256 + byte, 0);
}
