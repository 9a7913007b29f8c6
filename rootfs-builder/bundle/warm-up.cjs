"use strict";
// Runs a bundle like the launcher and, on a request on stdin, writes the code cache of every loaded script.
//   node <pinned flags> warm-up.cjs <sys.node> <directory of the bundle> <directory for the caches> <tag of V8 without flags>
// stdin: one line with V8 flags to reset before the caches are written, so that their flag hash matches a plain start.
const { writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { cachedDataVersionTag, setFlagsFromString } = require("node:v8");
const { load } = require("./launcher.cjs");
const { standInInit } = require("./warm-up-init.cjs");
const { endNoLongWaits, moveDirectories, powerlessAddon } = require("./warm-up-kernel.cjs");

const [, , sysNode, directory, target, tag] = process.argv;

const addon = require(sysNode);
const init = standInInit(addon);
// Replaces the file's exports for the agent.
require.cache[require.resolve(sysNode)].exports = powerlessAddon(addon, init.kill);
moveDirectories(dirname(process.env.GUESTD_STATE_DIR));
endNoLongWaits();
process.env.GUESTD_INIT_FD = String(init.fd);
process.env.GUESTD_SYS_NODE = sysNode;
const scripts = new Map();
// The cache contains this path, so it is the guest's path and not the build directory's.
load(directory, "agent", (name, script) => scripts.set(name, script), "/usr/lib/guestd");
process.stdin.once("data", (line) => {
  for (const flag of line.toString().trim().split(" ")) setFlagsFromString(flag);
  if (String(cachedDataVersionTag()) !== tag)
    throw new Error("warm-up: flags that can't be reset: V8 would refuse the cache");
  for (const [name, script] of scripts) writeFileSync(join(target, `${name}.cache`), script.createCachedData());
  process.exit(0);
});
// Doesn't keep an agent that can't start alive, and ends a running one with the build.
process.stdin.once("end", () => process.exit(1)).unref();
