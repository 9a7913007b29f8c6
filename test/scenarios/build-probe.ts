import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
let built: string | undefined;

/** Path of probe.c as a static program, for the root file system of a container. */
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
