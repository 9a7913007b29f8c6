import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { reason } from "./reason.ts";

const run = promisify(execFile);

/** Copies a file to a new one: without its holes, and sharing its blocks if the file system can. Rejects with one line. */
export async function copySparse(from: string, to: string): Promise<void> {
  try {
    await run("cp", ["--reflink=auto", "--sparse=always", "--", from, to]);
  } catch (error) {
    const [line = ""] = `${(error as { readonly stderr?: string }).stderr}`.split("\n", 1);
    throw new Error(`copy ${from}: ${line.replace(/^cp: /, "") || reason(error)}`, { cause: error });
  }
}
