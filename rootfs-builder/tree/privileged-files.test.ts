import { expect, test } from "vitest";
import { privilegedFiles } from "./privileged-files.ts";
import type { TreeEntry } from "./tree.ts";

const file = (mode: number, xattrs: readonly string[] = []): TreeEntry => ({
  type: "file",
  mode,
  content: Buffer.alloc(0),
  xattrs: new Map(xattrs.map((name) => [name, Buffer.alloc(1)])),
});

test("files with setuid, setgid or capabilities are named, others and directories are not", () => {
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
