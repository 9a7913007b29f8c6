/**
 * How a tree is reached below its root. Paths are those of `resolveDirectory` with one name more: absolute, below the
 * root, free of links but for the last name. What `use` gets is good for the time of the call.
 */
export interface TreeAccess {
  /** A path for an entry of a directory; a link in its place is not followed. */
  entry<T>(path: string, use: (path: string) => T): T;
  /** A path for a directory itself; throws where there is none any more. */
  directory<T>(path: string, use: (path: string) => T): T;
  /** A named pipe, or a device. */
  makeNode(path: string, type: "p" | "c" | "b", major: number, minor: number): void;
  /** Of an open file or directory. */
  setXattrs(fd: number, xattrs: ReadonlyMap<string, Uint8Array>): void;
}
