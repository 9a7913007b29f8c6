import { resolve } from "node:path";
import type { Command } from "commander";
import { isCheckout } from "../../../lib/package-root.ts";
import { repositoryRoot } from "../../vm/paths.ts";
import { CliError } from "../cli-error.ts";

interface ImageBuildFlags {
  readonly to?: string;
  readonly update?: boolean;
}

const HELP = `
RECIPE is YAML or JSON. rootfs-builder/recipe/recipe.schema.json defines its fields, docs/image-recipes.md explains them.
RECIPE.lock.json beside it records the version and hash of every download. The first build writes it; later builds fail rather
than use anything else.

  guestctl image build mine.yaml --to build/mine
  guestctl boot --vm-image build/mine`;

/** Adds `guestctl image build`. */
export function addImageBuild(image: Command): void {
  image
    .command("build")
    .summary("build an image from a recipe")
    .description("Build the outputs of a recipe.")
    .argument("<recipe>", "the recipe's file")
    .option("--to <dir>", "folder for the outputs (default: build/NAME, NAME being the recipe's)")
    .option("--update", "use the newest packages and images, and rewrite the lock file")
    .addHelpText("after", HELP)
    .action((recipe: string, flags: ImageBuildFlags) => build(recipe, flags));
}

/** Imports the builder and its dependencies lazily, as no other command needs them. */
async function build(path: string, { to, update = false }: ImageBuildFlags): Promise<void> {
  if (!isCheckout()) throw new CliError("image build: an installed guestd has no builder; run it in guestd's checkout");
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
