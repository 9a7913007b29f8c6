/** Writes to stdout and waits until all output so far is flushed; exiting earlier would lose it in a slow pipe. */
export function print(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}
