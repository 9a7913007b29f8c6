import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/**
 * What libraries load from Node at their start and hardly use; the real ones took a fifth of the bundle's time. pino asks
 * whether it is in a worker, and makes one only for a transport, which the agent has none of. Node's assert makes a stream of
 * stderr as it is loaded.
 */
const STAND_INS: Readonly<Record<string, string>> = {
  assert: "module.exports = (value, message) => { if (!value) throw new Error(message); };",
  worker_threads: "module.exports = { isMainThread: true };",
};

/** Puts stand-ins where libraries ask for dear parts of Node, and keeps `long` from compiling WebAssembly: it has the same in JavaScript. */
export const standIns: Plugin = {
  name: "guestd-stand-ins",
  setup(build) {
    const names = new RegExp(`^(${Object.keys(STAND_INS).join("|")})$`);
    build.onResolve({ filter: names }, ({ path }) => ({ path, namespace: "stand-in" }));
    build.onLoad({ filter: /.*/, namespace: "stand-in" }, ({ path }) => ({ contents: STAND_INS[path] ?? "" }));
    build.onLoad({ filter: /node_modules\/long\/umd\/index\.js$/ }, async ({ path }) => ({
      contents: `var WebAssembly;\n${await readFile(path, "utf8")}`,
    }));
  },
};
