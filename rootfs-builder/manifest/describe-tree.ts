import type { PackageFacts } from "../debian/package-facts.ts";
import { sha256Of } from "../digest.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { linkedBy } from "./linked-by.ts";
import type { ManifestFile } from "./manifest.ts";
import { FOLDERS, partOf } from "./parts.ts";

/** Part of files that are not guestd's. */
const RECIPE = "recipe";
const OURS = /^(pause_bundle|etc|usr\/lib\/guestd)\/|^usr\/sbin\/init$/;

/** Describes every entry of a tree, sorted by path: what it is, where it comes from, and what needs it. */
export function describeTree(tree: Tree, packages: readonly PackageFacts[]): readonly ManifestFile[] {
  const users = linkedBy(tree);
  return [...tree.keys()].sort().flatMap((path) => {
    const entry = tree.get(path);
    if (entry === undefined) return [];
    const described = { path, ...describeEntry(entry) };
    const from = sourceOf(path, described.sha256, packages);
    const part = entry.type === "directory" ? FOLDERS.name : (partOf(path)?.name ?? RECIPE);
    const linked = users.get(path);
    return [
      {
        ...described,
        part,
        ...(entry.type === "file" ? { from } : {}),
        linkedBy: linked,
      },
    ];
  });
}

/** Describes what an image has to contain at the entry's path. */
export function describeEntry(
  entry: TreeEntry,
): Pick<ManifestFile, "type" | "mode" | "owner" | "size" | "sha256" | "target"> {
  const { uid = 0, gid = 0 } = entry;
  const owner = uid === 0 && gid === 0 ? {} : { owner: `${uid}:${gid}` };
  if (entry.type === "symlink") return { type: "symlink", target: entry.target, ...owner };
  const mode = entry.mode.toString(8).padStart(4, "0");
  if (entry.type === "directory") return { type: "directory", mode, ...owner };
  return { type: "file", mode, size: entry.content.length, sha256: sha256Of(entry.content), ...owner };
}

/** Returns the package with this exact file, otherwise our own source for its path, otherwise the recipe. */
function sourceOf(path: string, sha256: string | undefined, packages: readonly PackageFacts[]): string {
  const owner = packages.find(({ files }) => sha256 !== undefined && files[path] === sha256);
  if (owner !== undefined) return `deb:${owner.name}`;
  if (path === "usr/bin/node") return "node";
  const runtime = /^usr\/lib\/guestd\/runtimes\/(.*)$/.exec(path)?.[1];
  if (runtime !== undefined) return runtimeSource(runtime, sha256, packages);
  return OURS.test(path) && partOf(path) !== undefined ? "guestd" : RECIPE;
}

/** Debian's runtimes have other paths in their packages. */
function runtimeSource(name: string, sha256: string | undefined, packages: readonly PackageFacts[]): string {
  const owner = packages.find((one) => one.name === name && Object.values(one.files).includes(sha256 ?? ""));
  return owner === undefined ? name : `deb:${owner.name}`;
}
