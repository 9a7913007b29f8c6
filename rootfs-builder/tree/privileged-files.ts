import type { Tree } from "./tree.ts";

const SETUID_SETGID = 0o6000;
const CAPABILITIES = "security.capability";

/** Files that give who runs them more than they have: setuid, setgid, file capabilities. A line for each. */
export function privilegedFiles(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, entry]) => {
    if (entry.type !== "file") return [];
    const bits = entry.mode & SETUID_SETGID;
    if (bits !== 0) return [`${path}: mode ${entry.mode.toString(8)}`];
    return entry.xattrs?.has(CAPABILITIES) ? [`${path}: file capabilities`] : [];
  });
}
