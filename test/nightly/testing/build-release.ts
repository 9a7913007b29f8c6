import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../../lib/package-root.ts";

/** Builds a release into `to`, as `npm run release` does, with the programs that it carries. */
export function buildRelease(to: string): void {
  const stdio = ["ignore", "ignore", "inherit"] as const;
  execFileSync("sh", [join(packageRoot(), "host/setup/setup.sh"), "release", "--yes"], { stdio: [...stdio] });
  execFileSync(process.execPath, [join(packageRoot(), "release/release.ts"), "--to", to], { stdio: [...stdio] });
}
