import { MAX_LINKS, MAX_STEPS } from "../../image/resolve-in-root.ts";
import { privilegedFiles } from "../tree/privileged-files.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { type Check, check, shown } from "./check.ts";

const FIRST = ["sbin/init", "init"];

/** Checks that a root can boot and has no setuid or setgid files. */
export function rootChecks(tree: Tree, initramfs: boolean): readonly Check[] {
  const wanted = initramfs ? FIRST.toReversed() : FIRST.slice(0, 1);
  const path = wanted.slice(0, 1).join();
  const init = follow(tree, path);
  const runs = init?.type === "file" && (init.mode & 0o111) !== 0 && init.content.readUInt32BE(0) === 0x7f454c46;
  const privileged = privilegedFiles(tree);
  return [
    check(
      `/${path}`,
      runs,
      init === undefined ? "missing" : runs ? "a program" : "not a program",
      "an executable program",
    ),
    check("no setuid or setgid file", privileged.length === 0, names(privileged), "none"),
  ];
}

/** Returns the entry that a path leads to, following links inside the image. */
export function follow(tree: Tree, path: string): TreeEntry | undefined {
  const pending = path.split("/");
  const at: string[] = [];
  let [links, steps] = [0, 0];
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at.pop();
      continue;
    }
    const entry = tree.get([...at, part].join("/"));
    if (entry === undefined || ++steps > MAX_STEPS) return undefined;
    if (entry.type !== "symlink") {
      at.push(part);
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    if (entry.target.startsWith("/")) at.length = 0;
    pending.unshift(...entry.target.split("/"));
  }
  return tree.get(at.join("/"));
}

function names(lines: readonly string[]): string {
  if (lines.length === 0) return "none";
  const first = lines.slice(0, 3).map((line) => `/${shown(line)}`);
  return lines.length > first.length ? `${first.join(", ")} and ${lines.length - first.length} more` : first.join(", ");
}
