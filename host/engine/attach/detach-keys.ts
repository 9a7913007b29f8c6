import { InvalidArgumentError } from "commander";

/** Default of docker: ctrl-p, ctrl-q. */
export const DEFAULT_DETACH_KEYS: Uint8Array = Uint8Array.of(16, 17);

const CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/**
 * Parses keys in docker's notation: characters and `ctrl-X`, separated by commas; empty for no keys. Throws
 * InvalidArgumentError.
 */
export function detachKeys(text: string): Uint8Array {
  const keys = text === "" ? [] : text.split(",");
  return Uint8Array.from(keys, (key) => {
    const control = CONTROLS.indexOf(/^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase() ?? " ");
    if (control >= 0) return control;
    if (/^[!-~]$/.test(key)) return key.charCodeAt(0);
    throw new InvalidArgumentError("Expected keys such as ctrl-p,ctrl-q: characters or ctrl-X, separated by commas.");
  });
}

/** Finds the detach keys among typed bytes, even if they arrive one by one. */
export class DetachFilter {
  readonly #keys: Uint8Array;
  /** Number of keys typed so far: held back until it is clear that the rest doesn't follow. */
  #held = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** Returns the bytes to pass on, and whether the keys were complete; later bytes are then dropped. */
  push(typed: Uint8Array): { readonly bytes: Uint8Array; readonly isDetached: boolean } {
    if (this.#keys.length === 0) return { bytes: typed, isDetached: false };
    const bytes: number[] = [];
    for (const byte of typed) {
      const pending = [...this.#keys.subarray(0, this.#held), byte];
      while (!this.#isPrefix(pending)) bytes.push(...pending.splice(0, 1));
      this.#held = pending.length;
      if (this.#held === this.#keys.length) return { bytes: Uint8Array.from(bytes), isDetached: true };
    }
    return { bytes: Uint8Array.from(bytes), isDetached: false };
  }

  #isPrefix(bytes: readonly number[]): boolean {
    return bytes.every((byte, at) => byte === this.#keys[at]);
  }
}
