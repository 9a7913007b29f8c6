import { join } from "node:path";
import { build } from "esbuild";

/** The folders whose tests are measured. */
export const FOLDERS = ["agent/container", "agent/kernel", "agent/sandbox", "agent/transport"] as const;

/** Lists the sources in `folders` that the agent consists of, so no tests and no helpers of tests. */
export async function productFiles(tree: string, folders: readonly string[] = FOLDERS): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: tree,
    entryPoints: [join(tree, "agent/main.ts")],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    external: ["*.node"],
    packages: "external",
    logLevel: "error",
  });
  const isIn = (file: string) => folders.some((folder) => file.startsWith(`${folder}/`));
  return Object.keys(metafile.inputs).filter(isIn).sort();
}
