import { isUtf8 } from "node:buffer";

/** Output since the last look at it. */
export interface TakenOutput {
  /** Text; where bytes were left out, a line says how many. */
  readonly text: string;
  /** Bytes between the beginning and the end that were left out. */
  readonly leftOut: number;
  /** False if some bytes are U+FFFD in the text. */
  readonly isUtf8: boolean;
}

/** Keeps the beginning and the end of an output. */
export class BoundedOutput {
  readonly #headBytes: number;
  readonly #tailBytes: number;
  #head: Buffer[] = [];
  #tail: Buffer[] = [];
  #headSize = 0;
  #tailSize = 0;
  #received = 0;

  /** @param headBytes at most, of the beginning; the rest of `bytes` is for the end */
  constructor(bytes: number, headBytes = Math.floor(bytes / 2)) {
    this.#headBytes = headBytes;
    this.#tailBytes = bytes - headBytes;
  }

  /** True if there is nothing to take. */
  get isEmpty(): boolean {
    return this.#received === 0;
  }

  add(data: Uint8Array): void {
    const bytes = Buffer.from(data);
    this.#received += bytes.length;
    const first = bytes.subarray(0, this.#headBytes - this.#headSize);
    if (first.length > 0) this.#head.push(first);
    this.#headSize += first.length;
    const rest = bytes.subarray(first.length);
    if (rest.length > 0) this.#tail.push(rest);
    this.#tailSize += rest.length;
    for (let [oldest] = this.#tail; oldest !== undefined; [oldest] = this.#tail) {
      if (this.#tailSize - oldest.length < this.#tailBytes) break;
      this.#tailSize -= oldest.length;
      this.#tail.shift();
    }
  }

  /** Returns the output since the last call. Unless it `isOver`, a character that isn't complete yet is kept. */
  take(isOver: boolean): TakenOutput {
    const tail = Buffer.concat(this.#tail);
    const kept = tail.subarray(Math.max(0, tail.length - this.#tailBytes));
    const pieces =
      this.#headSize + kept.length === this.#received
        ? [Buffer.concat([...this.#head, kept])]
        : [wholeEnd(Buffer.concat(this.#head)), wholeStart(kept)];
    const last = pieces.at(-1) ?? Buffer.alloc(0);
    const ended = isOver ? last : wholeEnd(last);
    pieces[pieces.length - 1] = ended;
    const held = last.subarray(ended.length);
    const leftOut = this.#received - held.length - pieces.reduce((sum, piece) => sum + piece.length, 0);
    [this.#head, this.#headSize, this.#tail, this.#tailSize, this.#received] = [[], 0, [], 0, 0];
    if (held.length > 0) this.add(held);
    const text = pieces.map((piece) => piece.toString("utf8"));
    return { text: text.join(gapLine(leftOut)), leftOut, isUtf8: pieces.every((piece) => isUtf8(piece)) };
  }
}

function gapLine(bytes: number): string {
  return `\n[… ${bytes} bytes left out …]\n`;
}

/** Drops a character that isn't complete from the end. */
export function wholeEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Drops the rest of a character from the start. */
function wholeStart(bytes: Buffer): Buffer {
  let start = 0;
  while (start < Math.min(3, bytes.length) && isContinuation(bytes[start] ?? 0)) start += 1;
  return bytes.subarray(start);
}

const isContinuation = (byte: number) => (byte & 0xc0) === 0x80;
