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
    const { size } = this.#keys;
    if (this.#keys.add(keyOf(path)).size === size) return false;
    if (size >= this.#max)
      throw new ImageError(`it is the layer's path ${size + 1}, and no more than ${this.#max} can be remembered`);
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
