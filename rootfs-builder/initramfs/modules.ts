import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError, hasCode } from "../build-error.ts";
import { elfSections } from "../debian/elf.ts";
import { listFolder } from "../list-folder.ts";
import { trimModule } from "./trim-module.ts";

export interface KernelModule {
  /** Name with underscores, as in /proc/modules. */
  readonly name: string;
  /** Path below the modules directory, like kernel/fs/erofs/erofs.ko. */
  readonly path: string;
  readonly content: Buffer;
}

export interface ModuleOptions {
  /** Keeps signatures and type data; otherwise `trimModule` removes them. The default is true. */
  readonly signed?: boolean;
}

/**
 * Returns the wanted modules and all that they need, each after those it needs. Leaves out modules that are built into
 * the kernel. An unpacked package has no modules.dep, so this reads each module's own list (.modinfo).
 * @param directory lib/modules/<release>
 * @param wanted names with dashes or underscores; throws for a name that is neither there nor built in
 */
export async function resolveModules(
  directory: string,
  wanted: readonly string[],
  { signed = true }: ModuleOptions = {},
): Promise<readonly KernelModule[]> {
  const paths = await modulePaths(directory);
  const builtIn = await builtInModules(directory);
  const resolved = new Map<string, KernelModule>();
  const open = new Set<string>();

  async function add(name: string, neededBy: string): Promise<void> {
    if (resolved.has(name) || builtIn.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new BuildError(`module ${name}, for ${neededBy}: not in ${directory}, nor built in`);
    if (open.has(name)) throw new BuildError(`module ${name}: circular dependency: ${[...open].join(" → ")}`);
    open.add(name);
    const content = await readFile(join(directory, path));
    for (const needed of dependencies(content, path)) await add(needed, name);
    open.delete(name);
    resolved.set(name, { name, path, content: signed ? content : trimModule(content, path) });
  }

  for (const name of wanted) await add(underscored(name), "the initramfs");
  return [...resolved.values()];
}

function underscored(name: string): string {
  return name.replaceAll("-", "_");
}

/** Returns the modules that a module needs: "depends=a,b". */
function dependencies(content: Buffer, path: string): readonly string[] {
  const info = elfSections(content, path).find(({ name }) => name === ".modinfo");
  const lines = info?.bytes.toString("latin1").split("\0") ?? [];
  const depends = lines.find((line) => line.startsWith("depends="))?.slice("depends=".length) ?? "";
  return depends
    .split(",")
    .filter((name) => name !== "")
    .map(underscored);
}

async function modulePaths(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = await listFolder(join(directory, "kernel")).catch((error: unknown) => {
    throw notThere(error, join(directory, "kernel"));
  });
  const modules = files.filter((file) => file.endsWith(".ko"));
  return new Map(modules.map((file) => [underscored(basename(file, ".ko")), `kernel/${file}`]));
}

async function builtInModules(directory: string): Promise<ReadonlySet<string>> {
  const file = join(directory, "modules.builtin");
  const list = await readFile(file, "utf8").catch((error: unknown) => {
    throw notThere(error, file);
  });
  return new Set(list.split("\n").map((line) => underscored(basename(line, ".ko"))));
}

function notThere(error: unknown, path: string): unknown {
  if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR")) return error;
  return new BuildError(`modules: ${path} does not exist: the folder has to be a complete lib/modules/RELEASE`);
}
