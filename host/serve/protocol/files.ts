/** GET /api/guests/G/containers/C/files?path=P: names in a directory. */
export interface FilesAnswer {
  readonly path: string;
  /** Sorted by name. */
  readonly files: readonly FileEntry[];
  /** True if there are more than the server lists. */
  readonly isTruncated: boolean;
}

export interface FileEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "link" | "other";
  readonly size: number;
  /** Permissions, such as 0o644. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** ISO 8601. */
  readonly modified: string;
}

// GET /api/guests/G/containers/C/file?path=P: the file's bytes as an attachment. A download that fails ends the connection, so
// that the browser reports it.
// PUT /api/guests/G/containers/C/file?path=P with the bytes as the body: creates or replaces the file. 204. Needs --allow-exec.
