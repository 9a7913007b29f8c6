/** Writes to stdout and waits until that, and all before it, is out: a pipe that is slow to be read would lose it. */
export function print(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}
