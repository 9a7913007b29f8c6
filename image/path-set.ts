import { createHash } from "node:crypto";
import { ImageError } from "./image-error.ts";

/**
 * A set of paths, stored as 48 bits of their digests: a tenth of the memory, for layers with hundreds of thousands of
 * paths.
 */
export class PathSet {
  readonly #keys = new Set<number>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Returns false if the path was already there. Throws ImageError if the set is full. */
  add(path: string): boolean {
    const key = keyOf(path);
    if (this.#keys.has(key)) return false;
    // Compares before adding, because a full set doubles its memory.
    if (this.#keys.size >= this.#max)
      throw new ImageError(`its layer has more than ${this.#max} paths, parents included`);
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
