/** Returns the text of anything thrown, on one line. */
export function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ");
}
