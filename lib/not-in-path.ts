/**
 * True if a program could not be started because it doesn't exist. For one that is searched in PATH, the code can also be
 * EACCES: if this user may not enter a folder of PATH, such as root's after `su`, or may not run the file there.
 */
export function isNotInPath(program: string, error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || (code === "EACCES" && !program.includes("/"));
}
