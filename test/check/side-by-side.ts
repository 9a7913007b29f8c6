import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Check {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
}

/**
 * Runs all checks, `atOnce` at a time in their order, and writes the whole output of each when it ends, below its name.
 * Resolves to the names of those that failed; one that fails stops no other.
 */
export async function sideBySide(
  checks: readonly Check[],
  atOnce: number,
  write: (text: string) => void,
): Promise<readonly string[]> {
  const failed: string[] = [];
  const queue = [...checks];
  const work = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      const { output, code } = await outputOf(check.command);
      if (output !== "") write(`${check.name}:\n${output.trimEnd()}\n`);
      if (code !== 0) failed.push(check.name);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return failed;
}

/** Resolves to both outputs of a program in the order of their arrival, and its exit code, null after a signal. */
async function outputOf([program, ...args]: Check["command"]) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { output, code };
  } catch (error) {
    return { output: String(error), code: null };
  }
}
