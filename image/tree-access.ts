/**
 * Access to files of a tree below its root. Paths come from `resolveDirectory` with one more name: absolute, below the
 * root, with no link except perhaps the last name. The path that `use` receives is valid only during the call.
 */
export interface TreeAccess {
  /** Calls `use` with a path for a directory's entry; the last name is not followed if it is a link. */
  entry<T>(path: string, use: (path: string) => T): T;
  /** Calls `use` with a path for the directory itself; throws if it no longer exists. */
  directory<T>(path: string, use: (path: string) => T): T;
  /** Creates a named pipe or a device. */
  makeNode(path: string, type: "p" | "c" | "b", major: number, minor: number): void;
  /** Sets extended attributes on an open file or directory. */
  setXattrs(fd: number, xattrs: ReadonlyMap<string, Uint8Array>): void;
}
