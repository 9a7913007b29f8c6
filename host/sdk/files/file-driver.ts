/** Type of a file. */
export type FileType = "file" | "directory" | "link" | "other";

/** Attributes of a file. */
export interface FileInfo {
  /** Last part of the path. */
  readonly name: string;
  readonly type: FileType;
  /** Bytes. */
  readonly size: number;
  /** Permissions, such as 0o644, with the set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modified: Date;
}

/** How a file is opened to write. */
export type WriteMode =
  /** Replaces the content; the default. */
  | "truncate"
  | "append"
  /** Fails with `already-exists` if the file exists. */
  | "create";

/** Options of `files.upload` and `files.download`. */
export interface CopyOptions {
  /** Keeps owners and ACLs. */
  readonly keepOwners?: boolean;
  /** Follows a link that is the source. */
  readonly follow?: boolean;
  /** Called with the bytes and files so far, and the bytes of all if they are known. */
  onProgress?(bytes: number, files: number, total?: number): void;
}

/** Result of a copy. */
export interface CopyReport {
  /** Files, directories and links that were copied. */
  readonly members: number;
  /** One line for each kind of thing that was left out. */
  readonly notes: readonly string[];
}

/** The files of a sandbox. Paths are absolute, or relative to the home of the container's user. */
export interface FileDriver {
  read(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  write(
    path: string,
    data: AsyncIterable<Uint8Array>,
    options: { readonly how: WriteMode; readonly mode: number },
    signal: AbortSignal,
  ): Promise<void>;
  list(path: string, signal: AbortSignal): Promise<readonly FileInfo[]>;
  stat(path: string, follow: boolean, signal: AbortSignal): Promise<FileInfo>;
  mkdir(
    path: string,
    options: { readonly mode: number; readonly parents: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  rename(from: string, to: string, signal: AbortSignal): Promise<void>;
  remove(path: string, options: { readonly recursive: boolean }, signal: AbortSignal): Promise<void>;
  upload(local: string, path: string, options: CopyOptions, signal: AbortSignal): Promise<CopyReport>;
  download(path: string, local: string, options: CopyOptions, signal: AbortSignal): Promise<CopyReport>;
}
