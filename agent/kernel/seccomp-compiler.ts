import { loadAddon } from "./load-addon.ts";

/** build/native/seccomp.node: libseccomp. See agent/native/seccomp/seccomp.c for the description. */
interface SeccompAddon {
  compile(description: string, failed: Int32Array): Uint8Array | number;
}

let addon: SeccompAddon | undefined;

/**
 * BPF instructions of a filter, a word each; or the number of the line of the description that can't be, from 0, with
 * its errno. Loads libseccomp at the first call.
 */
export function compileSeccomp(
  description: string,
): BigUint64Array | { readonly line: number; readonly errno: number } {
  addon ??= loadAddon<SeccompAddon>("seccomp.node");
  const failed = new Int32Array(1);
  const result = addon.compile(description, failed);
  if (typeof result === "number") return { line: failed[0] ?? 0, errno: -result };
  // A copy: the bytes need not lie as words do.
  return new BigUint64Array(Uint8Array.from(result).buffer);
}
