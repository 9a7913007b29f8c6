import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { guestPackage } from "../../../lib/guest-package.ts";
import { AgentError } from "../error.ts";

/** Loads an addon such as "sys.node". Throws one line that names the paths searched. */
export function loadAddon<T>(file: string): T {
  const require = createRequire(join(process.cwd(), "sys.cjs"));
  const paths: string[] = [];
  for (const path of searchPaths(file)) {
    paths.push(path);
    try {
      return require(path);
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
      if (!missing) throw new AgentError("internal", `load ${path}: ${firstLine(error)}`, { cause: error });
    }
  }
  throw new AgentError(
    "internal",
    `load ${file}: not found at ${paths.join(" or ")}; run "npm run build" or set GUESTD_SYS_NODE`,
  );
}

/** Returns the paths to search for a file of the native build, in order (see `searchPaths`). */
export function addonPaths(file: string): string[] {
  return [...searchPaths(file)];
}

/**
 * Yields the paths to search for a file of the native build, in order. If GUESTD_SYS_NODE is set, it names sys.node and the
 * only folder searched; otherwise the folder of the bundle, then the installed guest package or the build folder of a
 * checkout.
 */
function* searchPaths(file: string): Generator<string> {
  const chosen = process.env["GUESTD_SYS_NODE"];
  if (chosen !== undefined && chosen !== "") {
    yield file === "sys.node" ? resolve(chosen) : join(dirname(resolve(chosen)), file);
    return;
  }
  const main = process.argv[1];
  if (main !== undefined) yield join(dirname(resolve(main)), file);
  const packaged = guestPackage();
  if (packaged !== undefined) yield join(packaged, file);
  // In the agent's bundle, import.meta.dirname is undefined.
  else if (import.meta.dirname !== undefined) yield join(import.meta.dirname, "../../../build/native", file);
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0] ?? "";
}
