import type { Manifest, ManifestFile } from "./manifest.ts";
import { partOf } from "./parts.ts";

/** One line of a root's contents: a part, or a package of libraries, and what needs it. */
export interface PartLine {
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  readonly from: readonly string[];
  readonly neededBy: string;
}

/**
 * Returns the parts of a root, largest first. Groups libraries by package, with the programs that are linked with them.
 */
export function partTable({ files }: Pick<Manifest, "files">): readonly PartLine[] {
  const told = files.filter(({ type }) => type !== "directory");
  const groups = Map.groupBy(told, (file) => groupOf(file, files));
  const lines = Array.from(groups, ([name, group]) => {
    const [first] = group;
    const libraries = first?.part === "libraries";
    const why = libraries ? programsOf(group) : (partOf(first?.path ?? "")?.neededBy ?? "the recipe asks for it");
    const from = [...new Set(group.flatMap((file) => file.from ?? []))].sort();
    const bytes = group.reduce((sum, { size = 0 }) => sum + size, 0);
    return { name, bytes, files: group.filter(({ type }) => type === "file").length, from, neededBy: why };
  });
  return lines.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
}

function groupOf(file: ManifestFile, all: readonly ManifestFile[]): string {
  if (file.part === "libraries") return librariesOf(file, all);
  const brought = file.part === "recipe" ? /^deb:(.*)$/.exec(file.from ?? "")?.[1] : undefined;
  return brought === undefined ? file.part : `recipe: ${brought}`;
}

/** Assigns a link to the package of the file it leads to. */
function librariesOf(file: ManifestFile, all: readonly ManifestFile[]): string {
  const name = file.target?.split("/").at(-1);
  const led = name === undefined ? file : all.find(({ path, type }) => type === "file" && path.endsWith(`/${name}`));
  return `libraries of ${led?.from?.replace(/^deb:/, "") ?? "the recipe"}`;
}

/**
 * Returns the names of the programs that need a library. A library that only another library needs is listed with that
 * one.
 */
function programsOf(group: readonly ManifestFile[]): string {
  const own = new Set(group.map(({ path }) => path));
  const users = group.flatMap(({ linkedBy = [] }) => linkedBy.filter((user) => !own.has(user)));
  const extensions = users.filter((user) => user.includes("/xtables/"));
  const names = users.filter((user) => !extensions.includes(user)).map((user) => user.split("/").at(-1) ?? "");
  const all = [...new Set(names.map((one) => one.replace(/\.so.*|-[\d.]+\.so$/, "")))].sort();
  return [...all, ...(extensions.length === 0 ? [] : ["iptables extensions"])].join(", ");
}
