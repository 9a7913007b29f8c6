import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { buildRecipe } from "../../rootfs-builder/recipe/recipe-tasks.ts";

/** A file that an image gets beside its packages. */
export interface AddedFile {
  readonly file: string;
  /** Path in the image. */
  readonly to: string;
  /** Octal. */
  readonly mode?: string;
}

/**
 * Builds a container image of Debian packages and files in the folder of build/ with this name, where the next call builds
 * again only what has changed. Returns its path.
 */
export async function buildDebianImage(
  name: string,
  packages: readonly string[],
  files: readonly AddedFile[] = [],
): Promise<string> {
  const to = join(repositoryRoot, "build", name);
  mkdirSync(to, { recursive: true });
  const recipe = join(to, `${name}.json`);
  writeFileSync(
    recipe,
    JSON.stringify({ name, agent: false, outputs: ["oci-image"], sources: [{ packages }, ...files] }),
  );
  rmSync(join(to, `${name}.lock.json`), { force: true });
  await buildRecipe(recipe, { root: repositoryRoot, to });
  return join(to, "oci-image.tar");
}
