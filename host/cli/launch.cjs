"use strict";
const { enableCompileCache } = require("node:module");
const { join } = require("node:path");

if (enableCompileCache === undefined) {
  const root = join(__dirname, "../..");
  console.error(
    `guestctl: Node ${process.versions.node} is too old for it; run npm ci in ${root}, which brings Node 24`,
  );
  process.exit(125);
}

// Compiling TypeScript takes two thirds of the start-up time. Cache the result beside the packages: in Node's default,
// the temporary directory, another user could plant code. Node skips the cache if it can't write there.
enableCompileCache(join(__dirname, "../../node_modules/.cache/guestctl"));
import("./guestctl.ts");
