import { join } from "node:path";
import { compileC } from "../testing/compile-c.ts";

let built: string | undefined;

/** Builds probe.c as a static program for a container's root file system, once. Returns its path. */
export function buildProbe(): string {
  if (built !== undefined) return built;
  built = join(import.meta.dirname, "../../build/test/probe");
  compileC([join(import.meta.dirname, "probe.c")], built);
  return built;
}
