import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * Runs a program and passes each line of its output to `say`. If it fails, rejects with the last line of its stderr.
 */
export async function runLines(argv: readonly string[], say: (line: string) => void): Promise<void> {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.trim() !== "") say(line);
  });
  const status = await ended;
  if (status !== 0) throw new Error(errors.at(-1) ?? `${command} ended with status ${status}`);
}
