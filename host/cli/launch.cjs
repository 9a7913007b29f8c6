"use strict";
const { enableCompileCache } = require("node:module");
const { join } = require("node:path");

// Two thirds of a start is the compilation of TypeScript. Node keeps its result beside the packages, if it may write there:
// in the temporary directory, where Node would keep it by itself, another user could plant code.
enableCompileCache(join(__dirname, "../../node_modules/.cache/guestctl"));
import("./guestctl.ts");
