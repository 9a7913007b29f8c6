import { reason } from "../../lib/reason.ts";
import { type BuildTask, FORMATS_WITH_KERNEL, makeTasks } from "../build-image.ts";
import { OUTPUTS } from "../outputs/output-names.ts";
import { outputOf } from "../profiles/profiles.ts";
import { type BuildOptions, FORMATS, type Format, openContext } from "../steps/context.ts";
import { writeJson } from "../write-files.ts";
import { lockPath, readLock, refuseDifference } from "./lock.ts";
import type { RawRecipe } from "./raw-recipe.ts";
import { readRecipe } from "./read-recipe.ts";
import type { Recipe } from "./recipe.ts";
import { recipeInputs } from "./recipe-inputs.ts";
import { type Resolved, resolveRecipe } from "./resolve-recipe.ts";

export interface RecipeBuild {
  /** Absolute path of the repository. */
  readonly root: string;
  /** Absolute path of the folder for the outputs. */
  readonly to: string;
  /** Ignores the lock file, takes what is available now, and writes a new lock file. */
  readonly update?: boolean;
}

/** Returns why an output of this name can't be made or the profile can't start it; undefined if it can. */
function whyNoOutput(name: string, { profile, outputs = [] }: Pick<RawRecipe, "profile" | "outputs">) {
  const known: readonly string[] = [...FORMATS, ...OUTPUTS];
  if (!known.includes(name)) return `${name} is unknown; use one of ${known.join(", ")}`;
  if (profile === undefined || !OUTPUTS.includes(name)) return undefined;
  const roots = [...new Set(outputs)].filter((one) => OUTPUTS.includes(one));
  try {
    outputOf(profile, roots.slice(0, roots.indexOf(name) + 1));
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

/** Reads a recipe file whose outputs can be made. */
export function readBuildRecipe(path: string): Promise<Recipe> {
  return readRecipe(path, whyNoOutput);
}

/** Returns the build options for a recipe, without its sources. */
export function recipeOptions(
  recipe: Recipe,
  { root, to }: Pick<RecipeBuild, "root" | "to">,
): BuildOptions & { readonly formats: readonly Format[] } {
  const { agent, artifact, debug, policy, verity, daxHeader, signedModules, runtimes, vmlinux, modules } = recipe;
  const formats = FORMATS.filter((name) => recipe.outputs.includes(name));
  const outputs = OUTPUTS.filter((name) => recipe.outputs.includes(name));
  const kernel = recipe.kernelRelease === undefined ? {} : { kernelRelease: recipe.kernelRelease };
  const profile = recipe.profile === undefined ? {} : { profile: recipe.profile };
  const parts = { agent, artifact, debug, policy, verity, daxHeader, signedModules, runtimes, vmlinux, modules };
  return { root, to, ...parts, formats, outputs, ...kernel, ...profile };
}

/** Returns the parts of building a recipe, in order. Writing the lock file comes last. */
export async function recipeTasks(recipe: Recipe, build: RecipeBuild): Promise<readonly BuildTask[]> {
  const path = lockPath(recipe.file);
  const locked = build.update === true ? undefined : await readLock(path);
  let resolving: Promise<Resolved> | undefined;
  const resolved = () => {
    resolving ??= resolveRecipe(recipe, { digests, locked, refresh: build.update === true, kernel: hasKernel(recipe) });
    return resolving;
  };
  const options = recipeOptions(recipe, build);
  const context = await openContext(options, (opened) => recipeInputs(recipe, opened, resolved));
  const { digests } = context;
  return [
    {
      name: "sources",
      async run() {
        const { lock } = await resolved();
        if (locked !== undefined) refuseDifference(lock, locked, path);
        await digests.save();
        return locked === undefined;
      },
    },
    ...(await makeTasks(context)),
    {
      name: "lock file",
      async run() {
        if (locked === undefined) await writeJson(path, (await resolved()).lock);
        return locked === undefined;
      },
    },
  ];
}

/** True for Debian's kernel, which the lock then names. */
function hasKernel({ outputs, profile, vmlinux }: Recipe): boolean {
  if (profile !== undefined && profile !== "kata" && vmlinux === undefined) return true;
  return FORMATS_WITH_KERNEL.some((format: Format) => outputs.includes(format));
}

/** Builds a recipe file, like `guestctl image build`, for programs. Throws a one-line BuildError. */
export async function buildRecipe(path: string, build: RecipeBuild): Promise<Recipe> {
  const recipe = await readBuildRecipe(path);
  for (const { run } of await recipeTasks(recipe, build)) await run();
  return recipe;
}
