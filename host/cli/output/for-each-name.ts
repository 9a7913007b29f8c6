import { oneLine } from "../../operation-error.ts";

/**
 * Calls `work` for each name and prints the name. Prints failures, continues with the remaining names, and then exits
 * with 1.
 */
export async function forEachName(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
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
