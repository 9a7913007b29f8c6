import { dirname, resolve } from "node:path";
import type { RuntimeName } from "../image/runtimes.ts";
import type { ProfileName } from "../profiles/profiles.ts";
import type { Owner, Recipe, Source } from "./recipe.ts";

/** Recipe that the schema accepts. */
export interface RawRecipe {
  readonly name: string;
  readonly profile?: ProfileName | undefined;
  readonly outputs?: readonly string[];
  readonly agent?: boolean;
  readonly kernel?: {
    readonly release?: string | undefined;
    readonly file?: string | undefined;
    readonly modules?: string | undefined;
  };
  readonly options?: {
    readonly artifact?: boolean;
    readonly debug?: boolean;
    readonly policy?: boolean;
    readonly verity?: boolean;
    readonly "dax-header"?: boolean;
    readonly "signed-modules"?: boolean;
    readonly "privileged-files"?: "refuse" | "drop";
    readonly runtimes?: readonly RuntimeName[];
  };
  readonly sources?: readonly RawSource[];
}

interface RawSource {
  readonly image?: string;
  readonly "image-name"?: string;
  readonly tar?: string;
  readonly packages?: readonly string[];
  readonly folder?: string;
  readonly file?: string;
  readonly to?: string;
  readonly mode?: string;
  readonly owner?: string;
}

/** Returns the first key that contradicts the others, and why; undefined if there is none. */
export function contradiction(raw: RawRecipe): readonly [key: readonly string[], why: string] | undefined {
  const { kernel = {}, options = {}, profile, agent = true } = raw;
  const outputs = outputsOf(raw);
  const hasGuest = outputs.includes("guest");
  const bootsOurs = profile !== undefined && profile !== "kata";
  const hasDebianKernel = hasGuest || (bootsOurs && kernel.file === undefined);
  const rules: readonly (readonly [given: boolean, means: boolean, key: readonly string[], why: string])[] = [
    [kernel.file !== undefined, profile !== undefined, ["kernel", "file"], "requires a profile"],
    [kernel.file !== undefined, bootsOurs, ["kernel", "file"], "profile kata uses the host's kernel"],
    [kernel.file !== undefined, kernel.release === undefined, ["kernel", "file"], "excludes kernel.release"],
    [kernel.release !== undefined, hasDebianKernel, ["kernel", "release"], "requires an output with Debian's kernel"],
    [kernel.modules !== undefined, kernel.file !== undefined, ["kernel", "modules"], "requires kernel.file"],
    [options.artifact === true, profile !== undefined, ["options", "artifact"], "requires a profile"],
    [options.debug === true, agent, ["options", "debug"], WITH_AGENT],
    [options.policy === true, agent, ["options", "policy"], WITH_AGENT],
    [(options.runtimes ?? []).length > 0, agent, ["options", "runtimes"], WITH_AGENT],
    [options.verity === true, agent, ["options", "verity"], WITH_AGENT],
    [options.verity === true, hasGuest, ["options", "verity"], "requires the output guest"],
    [
      options["dax-header"] === false,
      outputs.includes("kata-image"),
      ["options", "dax-header"],
      "requires the output kata-image",
    ],
    [
      options["signed-modules"] === true,
      hasDebianKernel,
      ["options", "signed-modules"],
      "requires an output with Debian's kernel",
    ],
  ];
  const [, , key, why] = rules.find(([given, means]) => given && !means) ?? [];
  return key === undefined || why === undefined ? undefined : [key, why];
}

const WITH_AGENT = "requires agent: true";

/** Returns each output once; a profile has its own. */
function outputsOf({ outputs, profile }: RawRecipe): readonly string[] {
  return [...new Set(outputs ?? (profile === undefined ? ["guest"] : []))];
}

/** @param file absolute path of the recipe */
export function recipeOf(file: string, raw: RawRecipe): Recipe {
  const { options = {}, kernel = {} } = raw;
  return {
    file,
    name: raw.name,
    profile: raw.profile,
    outputs: outputsOf(raw),
    agent: raw.agent ?? true,
    kernelRelease: kernel.release,
    ...(kernel.file === undefined ? {} : { vmlinux: resolve(dirname(file), kernel.file) }),
    ...(kernel.modules === undefined ? {} : { modules: resolve(dirname(file), kernel.modules) }),
    artifact: options.artifact ?? false,
    debug: options.debug ?? false,
    policy: options.policy ?? false,
    verity: options.verity ?? false,
    daxHeader: options["dax-header"] ?? true,
    signedModules: options["signed-modules"] ?? false,
    dropPrivileges: options["privileged-files"] === "drop",
    runtimes: [...new Set(options.runtimes ?? [])].sort(),
    sources: (raw.sources ?? []).map((source) => sourceOf(dirname(file), source)),
  };
}

/**
 * Returns a recipe as its file would define it, without sources, so that later options are checked by the same rules.
 */
export function rawOf(recipe: Recipe): RawRecipe {
  const { name, profile, outputs, agent, kernelRelease, vmlinux, modules, ...rest } = recipe;
  return {
    name,
    outputs,
    agent,
    profile,
    kernel: {
      release: kernelRelease,
      file: vmlinux,
      modules,
    },
    options: {
      artifact: rest.artifact,
      debug: rest.debug,
      policy: rest.policy,
      verity: rest.verity,
      "dax-header": rest.daxHeader,
      "signed-modules": rest.signedModules,
      "privileged-files": rest.dropPrivileges ? "drop" : "refuse",
      runtimes: rest.runtimes,
    },
  };
}

function sourceOf(folder: string, raw: RawSource): Source {
  const to = (raw.to ?? "/").replaceAll(/^\/|\/$/g, "");
  const at = (path: string) => resolve(folder, path);
  if (raw.image !== undefined) {
    const imageName = raw["image-name"];
    return { kind: "image", path: at(raw.image), to, imageName };
  }
  if (raw.tar !== undefined) return { kind: "tar", path: at(raw.tar), to };
  if (raw.packages !== undefined) return { kind: "packages", names: [...new Set(raw.packages)].sort(), to };
  if (raw.folder !== undefined) return { kind: "folder", path: at(raw.folder), to, owner: ownerOf(raw.owner) };
  const mode = raw.mode === undefined ? {} : { mode: Number.parseInt(raw.mode, 8) };
  return { kind: "file", path: at(raw.file ?? ""), to, owner: ownerOf(raw.owner), ...mode };
}

function ownerOf(text = "0:0"): Owner {
  const [uid = 0, gid = 0] = text.split(":").map(Number);
  return { uid, gid };
}
