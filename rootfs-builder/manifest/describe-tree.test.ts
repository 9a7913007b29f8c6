import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { PackageFacts } from "../debian/package-facts.ts";
import { sha256Of } from "../digest.ts";
import type { Tree, TreeEntry } from "../tree/tree.ts";
import { describeTree } from "./describe-tree.ts";
import { partTable } from "./part-table.ts";

const LIBC = Buffer.from("the library");
/** A program linked with libc. */
const PROGRAM = readFileSync("/bin/ls");

const FACTS: PackageFacts = {
  ...{ name: "libc6", version: "1", architecture: "amd64", source: "glibc", sourceVersion: "1" },
  ...{
    licences: [],
    sha256: "",
    files: { "usr/lib/x/libc.so.6": sha256Of(LIBC), "usr/bin/ip": sha256Of(PROGRAM) },
    trimmed: [],
  },
};

function file(content: Buffer, mode = 0o644): TreeEntry {
  return { type: "file", mode, content };
}

describe("describeTree", () => {
  const tree: Tree = new Map<string, TreeEntry>([
    ["usr/lib/x/libc.so.6", file(LIBC)],
    ["usr/bin/ip", file(PROGRAM, 0o755)],
    ["usr/bin", { type: "directory", mode: 0o755 }],
    ["usr/sbin/init", file(Buffer.from("init"), 0o755)],
    ["srv/page", { type: "file", mode: 0o600, content: Buffer.from("text"), uid: 1000 }],
  ]);

  test("reports each file's digest, its source and what needs it", () => {
    const files = describeTree(tree, [FACTS]);
    expect(files.map(({ path }) => path)).toEqual([...tree.keys()].sort());
    const byPath = Object.fromEntries(files.map((one) => [one.path, one]));
    expect(byPath["usr/lib/x/libc.so.6"]).toEqual({
      ...{ path: "usr/lib/x/libc.so.6", type: "file", mode: "0644", size: LIBC.length, sha256: sha256Of(LIBC) },
      ...{ part: "libraries", from: "deb:libc6", linkedBy: ["usr/bin/ip"] },
    });
    expect(byPath["usr/sbin/init"]).toMatchObject({ part: "init", from: "guestd" });
    expect(byPath["srv/page"]).toMatchObject({ part: "recipe", from: "recipe", owner: "1000:0" });
    expect(byPath["usr/bin"]).toEqual({
      path: "usr/bin",
      type: "directory",
      mode: "0755",
      part: "folders",
      from: undefined,
    });
  });

  test("does not attribute a changed file to its package", () => {
    const changed = new Map(tree).set("usr/bin/ip", file(Buffer.from("another")));
    const ip = describeTree(changed, [FACTS]).find(({ path }) => path === "usr/bin/ip");
    expect(ip).toMatchObject({ from: "recipe" });
  });

  test("groups files by part, and libraries by package with the programs that need them", () => {
    const table = partTable({ files: describeTree(tree, [FACTS]) });
    expect(table.find(({ name }) => name === "libraries of libc6")).toEqual({
      ...{ name: "libraries of libc6", bytes: LIBC.length, files: 1, from: ["deb:libc6"], neededBy: "ip" },
    });
    const [brought] = describeTree(tree, [
      { ...FACTS, name: "pages", files: { "srv/page": sha256Of(Buffer.from("text")) } },
    ]);
    expect(partTable({ files: brought === undefined ? [] : [brought] })).toMatchObject([
      { name: "recipe: pages", bytes: 4 },
    ]);
    expect(table.find(({ name }) => name === "recipe")).toMatchObject({ bytes: 4, neededBy: "the recipe asks for it" });
  });
});
