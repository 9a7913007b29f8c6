import { createHash } from "node:crypto";

/** A set of paths by 48 bits of their digests: a tenth of the memory, as a layer may have hundreds of thousands. */
export class PathSet {
  readonly #keys = new Set<number>();

  /** False when it was there. */
  add(path: string): boolean {
    const { size } = this.#keys;
    return this.#keys.add(keyOf(path)).size > size;
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
