"use strict";
// Runs a bundle as the launcher does and, told to on stdin, writes the code cache of every script that was loaded.
//   node <pinned flags> warm-up.cjs <sys.node> <directory of the bundle> <directory for the caches> <tag of V8 without flags>
// stdin: one line with V8 flags to set back before the caches are taken, so that their flag hash is that of a plain start.
const { writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { cachedDataVersionTag, setFlagsFromString } = require("node:v8");
const { load } = require("./launcher.cjs");
const { standInInit } = require("./warm-up-init.cjs");
const { endNoLongWaits, moveDirectories, powerlessAddon } = require("./warm-up-kernel.cjs");

const [, , sysNode, directory, target, tag] = process.argv;

const addon = require(sysNode);
const init = standInInit(addon);
// What the agent gets when it loads that file.
require.cache[require.resolve(sysNode)].exports = powerlessAddon(addon, init.kill);
moveDirectories(dirname(process.env.GUESTD_STATE_DIR));
endNoLongWaits();
process.env.GUESTD_INIT_FD = String(init.fd);
process.env.GUESTD_SYS_NODE = sysNode;
const scripts = new Map();
// The path in the guest, because the cache holds it: the folder of the build must not show.
load(directory, "agent", (name, script) => scripts.set(name, script), "/usr/lib/guestd");
process.stdin.once("data", (line) => {
  for (const flag of line.toString().trim().split(" ")) setFlagsFromString(flag);
  if (String(cachedDataVersionTag()) !== tag)
    throw new Error("warm-up: flags that can't be set back: no cache would be taken");
  for (const [name, script] of scripts) writeFileSync(join(target, `${name}.cache`), script.createCachedData());
  process.exit(0);
});
// An agent that can't start is not kept alive by this, and one that runs does not outlive the build.
process.stdin.once("end", () => process.exit(1)).unref();
