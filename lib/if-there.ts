/** Returns what `access` returns; undefined if the file or a folder above it doesn't exist. */
export function ifThere<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
