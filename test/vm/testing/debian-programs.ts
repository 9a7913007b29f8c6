import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { reason } from "../../../lib/reason.ts";
import { packageClosure } from "../../../rootfs-builder/debian/closure.ts";
import { debianPackage } from "../../../rootfs-builder/debian/debian-package.ts";

const run = promisify(execFile);
/** The C library is this machine's: its loader is, too. */
const OWN = new Set(["libc6", "libgcc-s1", "gcc-12-base"]);

/** Returns why apt can't provide these packages, or undefined. Downloads them. */
export async function whyNoPackages(names: readonly string[]): Promise<string | undefined> {
  try {
    for (const name of names) await debianPackage(name);
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

/** Unpacks packages with their dependencies into a new folder, without installing them. Returns the variables to run them with. */
export async function unpackPrograms(names: readonly string[], to: string): Promise<NodeJS.ProcessEnv> {
  mkdirSync(to);
  for (const { name } of await packageClosure(names)) {
    if (!OWN.has(name)) await run("dpkg-deb", ["--extract", (await debianPackage(name)).file, to]);
  }
  const { stdout } = await run("find", [to, "-name", "*.so.*", "-printf", "%h\n"]);
  return {
    PATH: `${join(to, "usr/bin")}:${process.env["PATH"]}`,
    LD_LIBRARY_PATH: [...new Set(stdout.trim().split("\n"))].join(":"),
  };
}
