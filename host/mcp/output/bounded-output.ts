import { isUtf8 } from "node:buffer";
import { CollectedBytes } from "../../../lib/collected-bytes.ts";

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
  readonly #head = new CollectedBytes();
  readonly #tail = new CollectedBytes();
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
    this.#received += data.length;
    const first = data.subarray(0, this.#headBytes - this.#head.length);
    this.#head.add(first);
    this.#tail.add(data.subarray(first.length));
    if (this.#tail.length > 2 * this.#tailBytes) this.#tail.add(this.#takeTail());
  }

  /** Returns the output since the last call. Unless it `isOver`, a character that isn't complete yet is kept. */
  take(isOver: boolean): TakenOutput {
    const [head, tail] = [this.#head.take(), this.#takeTail()];
    const isWhole = head.length + tail.length === this.#received;
    const pieces = isWhole ? [Buffer.concat([head, tail])] : [wholeEnd(head), wholeStart(tail)];
    const last = pieces.at(-1) ?? Buffer.alloc(0);
    const ended = isOver ? last : wholeEnd(last);
    pieces[pieces.length - 1] = ended;
    const held = last.subarray(ended.length);
    const leftOut = this.#received - held.length - pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#received = 0;
    if (held.length > 0) this.add(held);
    const text = pieces.map((piece) => piece.toString("utf8"));
    return { text: text.join(gapLine(leftOut)), leftOut, isUtf8: pieces.every((piece) => isUtf8(piece)) };
  }

  /** Takes the last bytes that are kept. */
  #takeTail(): Buffer {
    const tail = this.#tail.take();
    return tail.subarray(Math.max(0, tail.length - this.#tailBytes));
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
