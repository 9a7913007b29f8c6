import { OLDEST_NODE } from "./bundle-host.ts";
import { type PackageFile, textFile } from "./package-file.ts";

/**
 * Returns the program that npm links as `command`: it imports dist/`command`.js with Node's compile cache, which takes
 * away most of the start-up time. The cache is in the package, so that it goes with it, or in the user's cache folder if
 * the package belongs to another user. An old Node gets one line instead of a syntax error.
 */
export function launcher(command: string): PackageFile {
  return textFile(
    `bin/${command}.js`,
    `#!/usr/bin/env node
import { accessSync, constants } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
const [wantedMajor, wantedMinor] = [${OLDEST_NODE.split(".").slice(0, 2).join(", ")}];
if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
  console.error(\`${command}: Node \${process.versions.node} is too old; install Node ${OLDEST_NODE} or later\`);
  process.exit(1);
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
module.enableCompileCache(isWritable(root) ? join(root, ".cache") : join(cacheFolder(), "compiled"));
await import("../dist/${command}.js");

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function cacheFolder() {
  return process.env.GUESTD_CACHE ?? join(homedir(), ".cache", "guestd");
}
`,
    0o755,
  );
}
