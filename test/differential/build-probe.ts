import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { WORK } from "../clean-up/work-directory.ts";

/** Path of the probe, built once, and again when its sources change; static. */
export function buildProbe(): string {
  const directory = join(import.meta.dirname, "probe");
  const sources = readdirSync(directory).map((name) => join(directory, name));
  const probe = join(WORK, "differential-probe");
  mkdirSync(WORK, { recursive: true });
  const changed = Math.max(...sources.map((source) => statSync(source).mtimeMs));
  if (existsSync(probe) && statSync(probe).mtimeMs > changed) return probe;
  const fresh = `${probe}.${process.pid}`;
  const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-static", "-s", "-Wall", "-Wextra", "-Wshadow", "-Werror"];
  const files = sources.filter((source) => source.endsWith(".c"));
  execFileSync(existsSync("/usr/bin/musl-gcc") ? "musl-gcc" : "gcc", [...flags, ...files, "-o", fresh]);
  renameSync(fresh, probe);
  return probe;
}
