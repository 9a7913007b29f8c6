import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE_TAG_TEXT } from "../host/vm/cache-tag.ts";
import { packageRoot } from "../lib/package-root.ts";
import { OLDEST_NODE } from "./bundle-host.ts";
import { type PackageFile, textFile } from "./package-file.ts";

/** Returns the files of a command: the program that npm links, and the module that it runs with the Node in PATH. */
export function launcher(command: string): readonly PackageFile[] {
  const here = 'here=$(dirname -- "$(readlink -f -- "$0")")';
  return [startProgram(`bin/${command}`, `${here}\n`, `node "$here/${command}.js"`), launchedModule(command)];
}

/** Returns a shell program that runs `script` with its own arguments, of which Node takes none. */
export function startProgram(path: string, head: string, script: string): PackageFile {
  const hideOptions = readFileSync(join(packageRoot(), "host/cli/hide-options.sh"), "utf8");
  return textFile(path, `#!/bin/sh\n${head}${hideOptions}exec ${script} "$@"\n`, 0o755);
}

/**
 * Returns the module that imports dist/`command`.js with Node's compile cache, which takes away most of the start-up time. The
 * cache is in the package, so that it goes with it, or in the user's cache folder if the package belongs to another user. An
 * old Node gets one line instead of a syntax error.
 */
function launchedModule(command: string): PackageFile {
  return textFile(
    `bin/${command}.js`,
    `import { accessSync, constants, mkdirSync, readdirSync, writeFileSync } from "node:fs";
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

/** Creates the folder marked, as guestctl does. */
function cacheFolder() {
  const folder = process.env.GUESTD_CACHE ?? join(homedir(), ".cache", "guestd");
  try {
    mkdirSync(folder, { recursive: true });
    if (readdirSync(folder).length === 0) writeFileSync(join(folder, "CACHEDIR.TAG"), ${JSON.stringify(CACHE_TAG_TEXT)});
  } catch {
    // Then Node caches nothing.
  }
  return folder;
}
`,
  );
}
