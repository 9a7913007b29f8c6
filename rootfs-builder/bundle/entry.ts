import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** The import declarations at the start of minified ESM; names and paths hold no semicolon. */
const IMPORTS = /^(?:import\b[^;]*;)*/;

/**
 * Lets the entry await at its top level, which CommonJS can't: all but its imports goes into an async function that is
 * called at once. A rejection ends the process as it does in a module, because nobody handles it.
 */
export const asyncEntry: Plugin = {
  name: "guestd-async-entry",
  setup(build) {
    const entries = new Set<string>();
    build.onResolve({ filter: /\.ts$/ }, ({ kind, path }) => {
      if (kind === "entry-point") entries.add(path);
      return undefined;
    });
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      if (!entries.has(path)) return undefined;
      const source = await readFile(path, "utf8");
      const { code } = await build.esbuild.transform(source, { loader: "ts", format: "esm", minifyWhitespace: true });
      const imports = IMPORTS.exec(code)?.[0] ?? "";
      return { contents: `${imports}void(async()=>{${code.slice(imports.length)}})();`, loader: "js" };
    });
  },
};
