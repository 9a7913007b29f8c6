import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";

const WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror"];
/** Flags of a program that runs in any rootfs. */
const STATIC = ["-O2", "-static", "-s"];
/** Flags of a program that aborts at whatever ASan or UBSan finds. */
export const SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Compiles a test's C sources into `program`, whose folder it creates. A concurrent build of the same is harmless. */
export function compileC(sources: readonly string[], program: string, flags: readonly string[] = STATIC): void {
  mkdirSync(dirname(program), { recursive: true });
  const fresh = `${program}.${process.pid}`;
  execFileSync("gcc", [...WARNINGS, ...flags, ...sources, "-o", fresh], { stdio: "inherit" });
  renameSync(fresh, program);
}
