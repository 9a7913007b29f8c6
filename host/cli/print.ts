/** Writes to stdout and waits until it is out: a pipe that is slow to be read would lose the end when we exit. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}
