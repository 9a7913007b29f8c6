import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { run } from "../rootfs-builder/run.ts";
import { withTemporary } from "../rootfs-builder/with-temporary.ts";
import type { PackageFile } from "./package-file.ts";

/** Folder of the type declarations in a package. */
export const TYPES = "types";

const RELATIVE_IMPORT = /(["'])(\.\.?\/[^"']+?)\.(?:ts|js)\1/g;

/**
 * Returns the type declarations of entries such as "host/sdk/index.ts", with those of all modules that they refer to.
 * Imports end in .js, as every resolution of TypeScript expects.
 */
export async function declarations(root: string, entries: readonly string[]): Promise<readonly PackageFile[]> {
  return withTemporary(join(root, "build/release"), async (work) => {
    const compiler = join(root, "node_modules/typescript-native/bin/tsc");
    await run(process.execPath, [compiler, "-p", join(root, "release/tsconfig.types.json"), "--outDir", work]);
    const found = new Map<string, string>();
    const pending = entries.map((entry) => entry.replace(/\.ts$/, ""));
    for (let module = pending.pop(); module !== undefined; module = pending.pop()) {
      if (found.has(module)) continue;
      const text = readDeclaration([work, root], module);
      found.set(module, text.replaceAll(RELATIVE_IMPORT, "$1$2.js$1"));
      for (const [, , target = ""] of text.matchAll(RELATIVE_IMPORT)) {
        pending.push(normalize(join(dirname(module), target)));
      }
    }
    return Array.from(found, ([module, text]) => ({ path: `${TYPES}/${module}.d.ts`, content: Buffer.from(text) }));
  });
}

/** Reads a module's declaration from the compiler's output or, if it is generated, from the checkout. */
function readDeclaration(folders: readonly string[], module: string): string {
  const path = folders.map((folder) => join(folder, `${module}.d.ts`)).find((file) => existsSync(file));
  if (path === undefined) throw new Error(`types: ${module} has no declaration`);
  return readFileSync(path, "utf8");
}
