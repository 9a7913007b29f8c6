/** System calls for trees of files that Node lacks; see agent/kernel/sys/tree-calls.ts. Each throws an error with a code. */
export interface TreeSys {
  /**
   * Opens an entry of a directory without following a link. Throws with code "EXDEV" if another file system is mounted there
   * that may not be read.
   */
  openEntry(dir: number, name: Uint8Array, flags: number): number;
  listXattrs(fd: number): readonly string[];
  getXattr(fd: number, name: string): Uint8Array | undefined;
  setXattr(fd: number, name: string, value: Uint8Array): void;
  setTimes(fd: number, access: bigint, change: bigint): void;
  seek(fd: number, offset: number, what: "data" | "hole"): number | undefined;
}

export const O_PATH = 0o10000000;

/** Returns a path for calls that take no descriptors: of a directory's entry, or of an open file itself. */
export function pathIn(fd: number, name?: Uint8Array): Buffer {
  const base = Buffer.from(`/proc/self/fd/${fd}`);
  return name === undefined ? base : Buffer.concat([base, Buffer.from("/"), name]);
}
