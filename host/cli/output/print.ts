/** Writes to stdout, or another stream, and waits until all output so far is flushed; exiting earlier would lose it in a slow pipe. */
export function print(text: string | Uint8Array, to: NodeJS.WritableStream = process.stdout): Promise<void> {
  return new Promise((resolve) => {
    to.write(text, () => resolve());
  });
}
