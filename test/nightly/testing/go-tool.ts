import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Returns a program of a Go module, built once and kept. Rejects if Go or the module can't be had. */
export async function goTool(module: string, version: string): Promise<string> {
  const name = module.replace(/.*\//, "");
  const cache = process.env["GUESTD_CACHE"] ?? join(homedir(), ".cache/guestd");
  const folder = join(cache, "tools", `${name}-${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  console.log(`go install ${module}@${version}, to ${folder} (takes one to five minutes)`);
  await promisify(execFile)("go", ["install", `${module}@${version}`], { env: { ...process.env, GOBIN: folder } });
  return program;
}
