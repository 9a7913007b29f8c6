import { dirname, relative } from "node:path";
import { BuildError } from "../build-error.ts";
import type { DebianPackage } from "../debian/debian-package.ts";
import { digestOf, type FileDigests } from "../digest.ts";
import { bytesOf, type Component } from "../image/contents.ts";
import type { ImageInputs } from "../image/image-inputs.ts";
import { checkAttributes } from "../tree/attributes.ts";
import { dropPrivileges } from "../tree/privileged-files.ts";
import type { Tree } from "../tree/tree.ts";
import { addSource } from "./add-source.ts";
import type { Recipe, Source } from "./recipe.ts";
import { closureKey, type Resolved } from "./resolve-recipe.ts";
import { sourceName } from "./source-error.ts";
import { sourceKey } from "./source-key.ts";

/** Returns the inputs that a resolved recipe gives to its image. */
export function recipeInputs(recipe: Recipe, digests: FileDigests, resolved: () => Promise<Resolved>): ImageInputs {
  const packageOf = async (name: string): Promise<DebianPackage> => {
    const found = (await resolved()).packages.get(name);
    if (found === undefined) throw new BuildError(`package ${name}: not in the recipe ${recipe.file}`);
    return found;
  };
  const closureOf = async (source: Source): Promise<readonly DebianPackage[]> => {
    if (source.kind !== "packages") return [];
    const { lock } = await resolved();
    return Promise.all((lock.closures[closureKey(source.names)] ?? []).map(packageOf));
  };
  return {
    packageOf,
    packages: async () => (await Promise.all(recipe.sources.map(closureOf))).flat(),
    kernelRelease: async () => (await resolved()).lock.kernel?.release ?? recipe.kernelRelease,
    async sourcesKey() {
      const { lock } = await resolved();
      const keys = await Promise.all(recipe.sources.map((source) => sourceKey(source, digests)));
      return digestOf(JSON.stringify([lock.closures, lock.packages, recipe.dropPrivileges]), ...keys);
    },
    async addSources(tree: Tree) {
      const added: Component[] = [];
      for (const source of recipe.sources) {
        const before = bytesOf(tree);
        await addSource(tree, source, await closureOf(source));
        if (recipe.dropPrivileges) dropPrivileges(tree);
        added.push({ name: nameInRecipe(recipe, source), bytes: Math.max(0, bytesOf(tree) - before) });
      }
      checkAttributes(tree);
      return added;
    },
  };
}

/** Returns a source's name without the recipe's folder, which must not affect the image. */
function nameInRecipe({ file }: Recipe, source: Source): string {
  if (source.kind === "packages") return sourceName(source);
  return sourceName({ ...source, path: relative(dirname(file), source.path) });
}
