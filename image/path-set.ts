import { createHash } from "node:crypto";
import { ImageError } from "./image-error.ts";

/** A set of paths by 48 bits of their digests: a tenth of the memory, as a layer may have hundreds of thousands. */
export class PathSet {
  readonly #keys = new Set<number>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** False when it was there. Throws ImageError for one too many. */
  add(path: string): boolean {
    const key = keyOf(path);
    if (this.#keys.has(key)) return false;
    // Before it is added: a set that is full doubles.
    if (this.#keys.size >= this.#max)
      throw new ImageError(`with those above it, its layer has more than ${this.#max} paths`);
    this.#keys.add(key);
    return true;
  }

  has(path: string): boolean {
    return this.#keys.has(keyOf(path));
  }

  clear(): void {
    this.#keys.clear();
  }
}

function keyOf(path: string): number {
  return createHash("sha256").update(path).digest().readUIntBE(0, 6);
}
