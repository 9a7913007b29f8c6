import type { Tree, TreeFile } from "./tree.ts";

const SETUID_SETGID = 0o6000;
const CAPABILITIES = "security.capability";

/** Lists files that give their user more privileges: setuid, setgid, file capabilities. One line for each. */
export function privilegedFiles(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, entry]) => {
    if (entry.type !== "file") return [];
    const bits = entry.mode & SETUID_SETGID;
    if (bits !== 0) return [`${path}: mode ${entry.mode.toString(8)}`];
    return entry.xattrs?.has(CAPABILITIES) ? [`${path}: file capabilities`] : [];
  });
}

/** Removes these privileges; hard links stay one file. */
export function dropPrivileges(tree: Tree): void {
  const plain = new Map<TreeFile, TreeFile>();
  for (const [path, entry] of tree) {
    if (entry.type !== "file") continue;
    const made = plain.get(entry) ?? withoutPrivileges(entry);
    plain.set(entry, made);
    tree.set(path, made);
  }
}

function withoutPrivileges(file: TreeFile): TreeFile {
  if ((file.mode & SETUID_SETGID) === 0 && !file.xattrs?.has(CAPABILITIES)) return file;
  const xattrs = new Map([...(file.xattrs ?? [])].filter(([name]) => name !== CAPABILITIES));
  return { ...file, mode: file.mode & ~SETUID_SETGID, xattrs };
}
