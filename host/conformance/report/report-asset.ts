import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../lib/package-root.ts";

/** Returns the text of a file that the pages of reports contain, such as "page.css". */
export function reportAsset(name: string): string {
  return readFileSync(join(packageRoot(), "host/conformance/report", name), "utf8");
}
