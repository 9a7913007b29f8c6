import { createHash } from "node:crypto";
import { ImageError } from "./image-error.ts";

/** Returns the hexadecimal part of "sha256:…"; throws ImageError for anything else. */
export function hexOf(digest: unknown): string {
  const hex = typeof digest === "string" ? /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1] : undefined;
  if (hex === undefined) throw new ImageError(`read image: digest ${JSON.stringify(digest)} is not a sha256 digest`);
  return hex;
}

/** Returns "sha256:…" of some bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Hashes a stream as it passes and compares the result with the expected digest. */
export class DigestCheck {
  readonly #hash = createHash("sha256");
  readonly #expected: string;
  readonly #what: string;
  readonly #limit: number;

  /**
   * @param what names the content in errors
   * @param limit bytes allowed
   */
  constructor(expected: string, what: string, limit = Number.POSITIVE_INFINITY) {
    this.#expected = expected;
    this.#what = what;
    this.#limit = limit;
  }

  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > this.#limit)
        throw new ImageError(`read image: ${this.#what} is longer than its ${this.#limit} bytes`);
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Throws ImageError if the content so far doesn't match the digest. Can be called once. */
  verify(): void {
    const found = `sha256:${this.#hash.digest("hex")}`;
    if (found === this.#expected) return;
    throw new ImageError(`read image: ${this.#what} has digest ${found}, not ${this.#expected}; the image is damaged`);
  }
}
