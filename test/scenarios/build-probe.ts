import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
let built: string | undefined;

/** Builds probe.c as a static program for a container's root file system. Returns its path. */
export function buildProbe(): string {
  if (built !== undefined) return built;
  const out = join(root, "build/test/probe");
  mkdirSync(join(root, "build/test"), { recursive: true });
  const fresh = `${out}.${process.pid}`;
  const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-O1", "-static", "-s"];
  execFileSync("gcc", [...flags, join(import.meta.dirname, "probe.c"), "-o", fresh], { stdio: "inherit" });
  renameSync(fresh, out);
  built = out;
  return out;
}
