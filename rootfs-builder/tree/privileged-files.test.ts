import { expect, test } from "vitest";
import { dropPrivileges, privilegedFiles } from "./privileged-files.ts";
import type { TreeEntry } from "./tree.ts";

const file = (mode: number, xattrs: readonly string[] = []): TreeEntry => ({
  type: "file",
  mode,
  content: Buffer.alloc(0),
  xattrs: new Map(xattrs.map((name) => [name, Buffer.alloc(1)])),
});

test("loses privileges but keeps everything else, and hard links stay one file", () => {
  const su = file(0o4755, ["security.capability", "user.note"]);
  const tree = new Map<string, TreeEntry>([
    ["su", su],
    ["su2", su],
    ["plain", file(0o640)],
  ]);
  dropPrivileges(tree);
  expect(privilegedFiles(tree)).toEqual([]);
  expect(tree.get("su")).toMatchObject({ mode: 0o755, xattrs: new Map([["user.note", Buffer.alloc(1)]]) });
  expect(tree.get("su2")).toBe(tree.get("su"));
  expect(tree.get("plain")).toEqual(file(0o640));
});

test("names files with setuid, setgid or capabilities, but no others and no directories", () => {
  const tree = new Map<string, TreeEntry>([
    ["bin/su", file(0o4755)],
    ["bin/write", file(0o2755)],
    ["bin/ping", file(0o755, ["security.capability"])],
    ["bin/plain", file(0o755, ["user.note"])],
    ["spool", { type: "directory", mode: 0o2775 }],
    ["link", { type: "symlink", target: "bin/su" }],
  ]);
  expect(privilegedFiles(tree)).toEqual(["bin/su: mode 4755", "bin/write: mode 2755", "bin/ping: file capabilities"]);
});
