import { rm, writeFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree } from "./tree.ts";

export const hasAttributes = (tree: Tree): boolean =>
  [...tree.values()].some(({ xattrs }) => xattrs !== undefined && xattrs.size > 0);

/**
 * Refuses what no file system can get from whoever builds: extended attributes that are not of the class `user`, and
 * those of symlinks.
 */
export function checkAttributes(tree: Tree): void {
  for (const [path, { type, xattrs }] of tree) {
    const name = [...(xattrs?.keys() ?? [])].find((one) => type === "symlink" || !one.startsWith("user."));
    if (name === undefined) continue;
    const hint = name === "security.capability" ? "privileged-files: drop takes it away" : "take it away in the source";
    throw new BuildError(
      `image: ${path} has the extended attribute ${name}; only user.* of files and folders are kept: ${hint}`,
    );
  }
}

/** Gives what is in `directory` the extended attributes of a tree. Whoever runs this has to be allowed to write to all of it. */
export async function writeAttributes(tree: Tree, directory: string): Promise<void> {
  if (!hasAttributes(tree)) return;
  const list = `${directory}.attributes`;
  await writeFile(list, [...lines(tree)].join(""));
  await run("setfattr", [`--restore=${list}`], { cwd: directory });
  await rm(list);
}

/** As getfattr prints them. */
function* lines(tree: Tree): Generator<string> {
  for (const [path, { xattrs }] of tree) {
    if (xattrs === undefined || xattrs.size === 0) continue;
    yield `# file: ${escaped(path)}\n`;
    for (const [name, value] of xattrs) yield `${escaped(name)}=0s${Buffer.from(value).toString("base64")}\n`;
    yield "\n";
  }
}

const escaped = (text: string) =>
  text.replaceAll(/[\\=\n\r]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`);
