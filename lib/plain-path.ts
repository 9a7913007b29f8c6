/**
 * True for an absolute path whose text is the place that it names: no "." or ".." and no empty part, except for one slash at its
 * end. Rules of a policy compare texts.
 */
export function isPlainPath(path: string): boolean {
  return path.startsWith("/") && !path.includes("\0") && !/\/\.{0,2}\//.test(path) && !/\/\.{1,2}$/.test(path);
}
