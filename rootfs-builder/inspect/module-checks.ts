import { elfSections } from "../debian/elf.ts";
import type { Tree } from "../tree/tree.ts";
import { type Check, check, shown } from "./check.ts";
import { follow } from "./root-checks.ts";

/** List of modules that init reads; rootfs-builder/initramfs/initramfs.ts writes it. */
export const MODULE_LIST = "guestd-modules";
const MAX_DETAIL = 1000;

/** Checks that all listed modules exist, come after those they need, and are of one kernel. */
export function moduleChecks(tree: Tree): { readonly checks: readonly Check[]; readonly release: string | undefined } {
  const list = follow(tree, MODULE_LIST);
  if (list?.type !== "file") return { checks: [], release: undefined };
  const paths = list.content
    .toString()
    .split("\n")
    .filter((line) => line !== "");
  const loaded = new Set<string>();
  const problems: string[] = [];
  const releases = new Set<string>();
  for (const path of paths) {
    const entry = follow(tree, path);
    if (entry?.type !== "file") {
      problems.push(`${shown(path)} is missing`);
      continue;
    }
    const { name, needs, release } = moduleInfo(entry.content, path);
    problems.push(...needs.filter((one) => !loaded.has(one)).map((one) => shown(`${name} comes before ${one}`)));
    loaded.add(name);
    releases.add(release);
  }
  const one = releases.size === 1 ? [...releases][0] : undefined;
  return {
    release: one,
    checks: [
      check(
        "modules",
        problems.length === 0,
        problems.join("; ").slice(0, MAX_DETAIL) || `${paths.length} in order`,
        "each after those it needs",
      ),
      check(
        "modules are of one kernel",
        one !== undefined,
        shown([...releases].join(" and ").slice(0, MAX_DETAIL)) || "none",
        "one release",
      ),
    ],
  };
}

function moduleInfo(content: Buffer, path: string) {
  const info = elfSections(content, path).find(({ name }) => name === ".modinfo");
  const lines = info?.bytes.toString("latin1").split("\0") ?? [];
  const value = (key: string) => lines.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
  const needs = value("depends")
    .split(",")
    .filter((name) => name !== "");
  return {
    name: value("name"),
    needs: needs.map((name) => name.replaceAll("-", "_")),
    release: value("vermagic").split(" ", 1)[0] ?? "",
  };
}
