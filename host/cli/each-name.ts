import { oneLine } from "./cli-error.ts";

/** Does the work for each name and prints the name. A failure is printed, the others are done all the same, and the exit code is 1. */
export async function eachName(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  for (const name of names) {
    try {
      await work(name);
      process.stdout.write(`${name}\n`);
    } catch (error) {
      process.stderr.write(`guestctl: ${oneLine(error)}\n`);
      process.exitCode = 1;
    }
  }
}
