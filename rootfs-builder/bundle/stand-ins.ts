import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/**
 * Replacements for parts of Node that libraries load at start and hardly use; the originals took a fifth of the
 * bundle's start time. pino checks whether it is in a worker, and starts one only for a transport, which the agent
 * doesn't use. Node's assert creates a stream for stderr when it is loaded.
 */
const STAND_INS: Readonly<Record<string, string>> = {
  assert: "module.exports = (value, message) => { if (!value) throw new Error(message); };",
  worker_threads: "module.exports = { isMainThread: true };",
};

/**
 * Replaces expensive parts of Node in libraries, and keeps `long` from compiling WebAssembly: it has the same functions
 * in JavaScript.
 */
export const standIns: Plugin = {
  name: "guestd-stand-ins",
  setup(build) {
    const names = new RegExp(`^(${Object.keys(STAND_INS).join("|")})$`);
    build.onResolve({ filter: names }, ({ path }) => ({ path, namespace: "stand-in" }));
    build.onLoad({ filter: /.*/, namespace: "stand-in" }, ({ path }) => ({ contents: STAND_INS[path] ?? "" }));
    build.onLoad({ filter: /node_modules\/long\/umd\/index\.js$/ }, async ({ path }) => ({
      contents: `var WebAssembly = { Instance: function () {}, Module: function () {} };\n${await readFile(path, "utf8")}`,
    }));
  },
};
