import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Runs a program and tells each line that it prints; rejects with its last lines when it fails. */
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
