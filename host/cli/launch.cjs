"use strict";
const { enableCompileCache } = require("node:module");
const { join } = require("node:path");

// Compiling TypeScript takes two thirds of the start-up time. Cache the result beside the packages: in Node's default,
// the temporary directory, another user could plant code. Node skips the cache if it can't write there.
enableCompileCache(join(__dirname, "../../node_modules/.cache/guestctl"));
import("./guestctl.ts");
