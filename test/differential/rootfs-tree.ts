import { chmodSync, chownSync, copyFileSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeReadable } from "../../lib/testing/make-readable.ts";
import { buildProbe } from "./build-probe.ts";

/** Outside id of root in a container with a user namespace. */
export const SHIFTED = 100_000;

const DIRECTORIES = [
  "proc",
  "sys",
  "dev",
  "tmp",
  "etc",
  "log",
  "full",
  "full/dir",
  "full/dir/deep",
  "full/empty",
  "full/other",
];
const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n",
  "full/file": "file\n",
  "full/other-file": "other\n",
  "full/dir/one": "one\n",
  "full/dir/deep/two": "two\n",
};
const OPEN = ["tmp", "log"];

/**
 * Creates a container's root file system: the probe, and targets of mounts, masks and copies. `owner` owns all of it.
 */
export function makeRootfs(path: string, owner = 0): void {
  makeTree(path, DIRECTORIES, FILES, owner);
  copyFileSync(buildProbe(), join(path, "probe"));
  makeReadable(path);
  symlinkSync("other-file", join(path, "full/link"));
  symlinkSync("/full/other", join(path, "full/link-to-dir"));
  for (const name of ["probe", "full/link", "full/link-to-dir"]) lchownSync(join(path, name), owner, owner);
  chownSync(join(path, "full/dir/one"), owner + 1000, owner + 100);
}

/** Creates the sources of binds. A file system is mounted at nested/sub. */
export function makeSources(path: string): void {
  makeTree(
    path,
    ["dir", "dir/inner", "nested", "nested/sub"],
    { file: "bound\n", "dir/a": "a\n", "nested/b": "b\n" },
    0,
  );
  makeReadable(path);
}

function makeTree(
  path: string,
  directories: readonly string[],
  files: Readonly<Record<string, string>>,
  owner: number,
) {
  mkdirSync(path, { recursive: true });
  chownSync(path, owner, owner);
  for (const name of directories) {
    const mode = OPEN.includes(name) ? 0o777 : 0o755;
    mkdirSync(join(path, name));
    chmodSync(join(path, name), mode);
    chownSync(join(path, name), owner, owner);
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(path, name), text);
    chownSync(join(path, name), owner, owner);
  }
}
