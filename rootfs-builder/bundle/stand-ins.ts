import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** Keeps `long` from compiling WebAssembly as it is loaded: it has the same in JavaScript. */
export const standIns: Plugin = {
  name: "guestd-stand-ins",
  setup(build) {
    build.onLoad({ filter: /node_modules\/long\/umd\/index\.js$/ }, async ({ path }) => ({
      contents: `var WebAssembly;\n${await readFile(path, "utf8")}`,
    }));
  },
};
