import { StringDecoder } from "node:string_decoder";

/** Longest line, in characters; the rest of a longer one is the next line. */
const MAX_LINE = 16 * 1024;

/** Cuts the bytes of an output into lines. */
export class LineSplitter {
  #decoder = new StringDecoder("utf8");
  #open = "";
  #isSkipping: boolean;

  /** With `skipsFirst`, the output begins within a line, which is left out. */
  constructor(skipsFirst: boolean) {
    this.#isSkipping = skipsFirst;
  }

  /** Returns the lines that end in the bytes, without their ends. */
  push(bytes: Uint8Array): string[] {
    const lines = (this.#open + this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))).split(
      "\n",
    );
    this.#open = lines.pop() ?? "";
    if (this.#isSkipping && lines.length > 0) {
      lines.shift();
      this.#isSkipping = false;
    }
    const isLong = (line: string) => line.length > MAX_LINE;
    const whole = lines.some(isLong) ? lines.flatMap(pieces) : lines;
    if (!isLong(this.#open)) return whole;
    const parts = pieces(this.#open);
    this.#open = parts.pop() ?? "";
    return this.#isSkipping ? whole : [...whole, ...parts];
  }

  /** Returns the line that has no end yet, and begins anew. */
  end(): string[] {
    const last = this.#open + this.#decoder.end();
    const isSkipped = this.#isSkipping || last === "";
    [this.#open, this.#isSkipping, this.#decoder] = ["", false, new StringDecoder("utf8")];
    return isSkipped ? [] : [last];
  }
}

function pieces(line: string): string[] {
  if (line.length <= MAX_LINE) return [line];
  return Array.from({ length: Math.ceil(line.length / MAX_LINE) }, (_, at) =>
    line.slice(at * MAX_LINE, (at + 1) * MAX_LINE),
  );
}
