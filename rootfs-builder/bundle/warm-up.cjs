"use strict";
// Runs a bundle as the launcher does and, told to on stdin, writes the code cache of every script that was loaded.
//   node <pinned flags> warm-up.cjs <sys.node> <directory of the bundle> <directory for the caches> <tag of V8 without flags>
// stdin: one line with V8 flags to set back before the caches are taken, so that their flag hash is that of a plain start.
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { cachedDataVersionTag, setFlagsFromString } = require("node:v8");
const { load } = require("./launcher.cjs");

const [, , sysNode, directory, target, tag] = process.argv;
const SEQPACKET = 1;
const READY = 20;

/** A socket whose other end greets as init does, and then says nothing: enough for an agent that starts no process. */
function standInInit() {
  const { socketPair, sendMessage } = require(sysNode);
  const ends = new Int32Array(2);
  // u32 type, u32 zero, u64 id; u64 generation, u64 start of init, u64 start of the agent in microseconds.
  const greeting = Buffer.alloc(40);
  greeting.writeUInt32LE(READY, 0);
  greeting.writeBigUInt64LE(1n, 16);
  for (const result of [socketPair(ends, SEQPACKET), sendMessage(ends[1], greeting, [])]) {
    if (result < 0) throw new Error(`warm-up: a socket for the stand-in of init: errno ${-result}`);
  }
  return ends[0];
}

process.env.GUESTD_INIT_FD = String(standInInit());
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
