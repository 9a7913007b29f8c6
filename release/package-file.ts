/** A file of a package, by its path without a leading slash. */
export interface PackageFile {
  readonly path: string;
  /** Permission bits; 0o644 by default. */
  readonly mode?: number;
  readonly content: Buffer;
}

/** Returns the files in the order of their paths, so that equal packages have equal archives. */
export function inOrder(files: readonly PackageFile[]): readonly PackageFile[] {
  return files.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

export function textFile(path: string, text: string, mode = 0o644): PackageFile {
  return { path, mode, content: Buffer.from(text) };
}

export function jsonFile(path: string, value: unknown): PackageFile {
  return textFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
