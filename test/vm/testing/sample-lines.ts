import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { repository } from "../../docs/pages.ts";

const run = promisify(execFile);

/** Builds the image that the samples name, unless the demo has. */
export async function makeSampleImage(): Promise<void> {
  const image = join(repository, "build/demo/busybox.tar");
  if (existsSync(image)) return;
  mkdirSync(dirname(image), { recursive: true });
  await makeBusyboxImage(image);
}

/**
 * Returns the environment of a reader with the oldest Node that package.json accepts, which can't run TypeScript: this
 * machine's if it has one, otherwise a script that refuses TypeScript in the same way.
 */
export function withOldNode(directory: string): NodeJS.ProcessEnv {
  const bin = join(directory, "old-node");
  const path = process.env["PATH"] ?? "";
  if (!existsSync(bin)) {
    mkdirSync(bin);
    const old = path
      .split(":")
      .map((folder) => join(folder, "node"))
      .find(isOld);
    const refusal = `case "$*" in *.ts*) echo ERR_UNKNOWN_FILE_EXTENSION >&2; exit 1 ;; esac; exec "${process.execPath}" "$@"`;
    if (old === undefined) writeFileSync(join(bin, "node"), `#!/bin/sh\n${refusal}\n`, { mode: 0o755 });
    else symlinkSync(old, join(bin, "node"));
  }
  return { ...process.env, PATH: `${bin}:${path}` };
}

/** True for a Node that can't run TypeScript directly. */
function isOld(node: string): boolean {
  if (!existsSync(node)) return false;
  const [major = 0, minor = 0] = execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" })
    .split(".")
    .map(Number);
  return major < 22 || (major === 22 && minor < 18);
}

/** Runs a page's lines one after the other, with guestctl's state and volumes in `directory`. Returns the output of each. */
export async function runLines(directory: string, blocks: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const env = { ...withOldNode(directory), XDG_RUNTIME_DIR: directory, XDG_DATA_HOME: directory, NO_COLOR: "1" };
  const printed = new Map<string, string>();
  for (const line of blocks.join("").trim().split("\n")) {
    const { stdout } = await run("/bin/sh", ["-c", line], { cwd: repository, env });
    printed.set(line.replace(/^\.\/guestctl (\w+).*$/, `$1${printed.size}`), stdout);
  }
  return printed;
}
