import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

const FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-O1", "-static", "-s"];

/** Builds hog.c, which takes all it can get of one kernel resource, as a static program at `path`. */
export function buildHog(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("gcc", [...FLAGS, join(import.meta.dirname, "hog.c"), "-o", path], { stdio: "inherit" });
}
