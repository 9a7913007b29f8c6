import { resolve } from "node:path";
import type { Command } from "commander";
import { repositoryRoot } from "../../machine/paths.ts";

interface ImageBuildFlags {
  readonly to?: string;
  readonly update?: boolean;
}

const HELP = `
RECIPE is YAML or JSON: rootfs-builder/recipe/recipe.schema.json says what may be in it, docs/images.md what it means.
RECIPE.lock.json beside it has the versions and hashes of all that came from elsewhere. It is written when there is none; a
build that would take anything else is refused.

  guestctl image build mine.yaml --to build/mine
  guestctl boot --vm-image build/mine`;

/** `guestctl image build`. */
export function addImageBuild(image: Command): void {
  image
    .command("build")
    .summary("build a recipe")
    .description("Builds what a recipe says.")
    .argument("<recipe>", "its file")
    .option("--to <dir>", "folder for the outputs (default: build/NAME of the recipe)")
    .option("--update", "take new versions of packages and images, and write the lock file anew")
    .addHelpText("after", HELP)
    .action((recipe: string, flags: ImageBuildFlags) => build(recipe, flags));
}

/** The builder and what it needs are loaded here, as no other command wants them. */
async function build(path: string, { to, update = false }: ImageBuildFlags): Promise<void> {
  const { readBuildRecipe, recipeOptions, recipeTasks } = await import(
    "../../../rootfs-builder/recipe/recipe-tasks.ts"
  );
  const { showTasks } = await import("../../../rootfs-builder/show-tasks.ts");
  const { buildSummary } = await import("../../../rootfs-builder/build-summary.ts");
  const recipe = await readBuildRecipe(path);
  const target = { root: resolve(repositoryRoot), to: resolve(to ?? `build/${recipe.name}`) };
  await showTasks(await recipeTasks(recipe, { ...target, update }), process.stdout);
  process.stdout.write(`\n${await buildSummary(target.to, recipeOptions(recipe, target))}`);
}
