import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { AgentError } from "../error.ts";

/** Loads an addon, as "sys.node". Throws one line that says where it was looked for. */
export function loadAddon<T>(file: string): T {
  const require = createRequire(join(process.cwd(), "sys.cjs"));
  const paths = addonPaths(file);
  for (const path of paths) {
    try {
      return require(path);
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
      if (!missing) throw new AgentError("internal", `load ${path}: ${firstLine(error)}`, { cause: error });
    }
  }
  throw new AgentError(
    "internal",
    `load ${file}: not found at ${paths.join(" nor ")}; run "npm run build" or set GUESTD_SYS_NODE`,
  );
}

/**
 * Where a file of the native build may be, best first: GUESTD_SYS_NODE alone if set (sys.node itself, the others beside it); beside the bundle;
 * the build folder of a checkout.
 */
export function addonPaths(file: string): string[] {
  const chosen = process.env["GUESTD_SYS_NODE"];
  if (chosen !== undefined && chosen !== "") {
    return [file === "sys.node" ? resolve(chosen) : join(dirname(resolve(chosen)), file)];
  }
  const main = process.argv[1];
  const beside = main === undefined ? [] : [join(dirname(resolve(main)), file)];
  // A bundle has no place of its own in a checkout.
  const built = import.meta.dirname === undefined ? [] : [join(import.meta.dirname, "../../../build/native", file)];
  return [...beside, ...built];
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0] ?? "";
}
