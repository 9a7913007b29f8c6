import { join } from "node:path";
import { compileC } from "../../../testing/compile-c.ts";

/** Builds hog.c, which takes all it can get of one kernel resource, as a static program at `path`. */
export function buildHog(path: string): void {
  compileC([join(import.meta.dirname, "../hog.c")], path);
}
