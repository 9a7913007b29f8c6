import { writeFile } from "node:fs/promises";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { shown } from "./check.ts";

/** "/12/100644/0/0/name/size/": inode, mode in octal, owner, group. */
const LINE = /^\/\d+\/([0-7]{6})\/(\d+)\/(\d+)\/(.*)\/\d*\/$/;

/**
 * The tree with modes and owners as the file system has them: debugfs unpacks neither owners nor set-id bits.
 * @param commands path of a file to write debugfs' commands into
 */
export async function withExt4Modes(tree: Tree, image: string, commands: string): Promise<Tree> {
  const directories = ["", ...[...tree].filter(([, { type }]) => type === "directory").map(([path]) => path)];
  const odd = directories.find((path) => /["\n]/.test(path));
  if (odd !== undefined) throw new BuildError(`ext4: /${shown(odd)}: debugfs takes no such name`);
  await writeFile(commands, directories.map((path) => `ls -p "/${path}"\n`).join(""));
  const output = (await run("debugfs", ["-f", commands, image])).toString();
  const told: Tree = new Map();
  let below = "";
  for (const line of output.split("\n")) {
    const directory = /^debugfs: ls -p "\/(.*)"$/.exec(line)?.[1];
    if (directory !== undefined) below = directory === "" ? "" : `${directory}/`;
    const [, mode = "", uid = "", gid = "", name = ""] = LINE.exec(line) ?? [];
    const entry = tree.get(`${below}${name}`);
    if (entry === undefined || name === "." || name === "..") continue;
    told.set(`${below}${name}`, withMode(entry, Number.parseInt(mode, 8), Number(uid), Number(gid)));
  }
  const missing = [...tree.keys()].find((path) => !told.has(path));
  if (missing !== undefined) throw new BuildError(`ext4: /${shown(missing)}: debugfs does not tell its mode`);
  return told;
}

function withMode(entry: TreeEntry, mode: number, uid: number, gid: number): TreeEntry {
  const owned = { ...(uid === 0 ? {} : { uid }), ...(gid === 0 ? {} : { gid }) };
  return entry.type === "symlink" ? { ...entry, ...owned } : { ...entry, mode: mode & 0o7777, ...owned };
}
