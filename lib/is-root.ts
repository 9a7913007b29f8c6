/** True if this process runs as root. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
