import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeReadable } from "../../../lib/testing/make-readable.ts";

const BUSYBOX = "/bin/busybox";
const APPLETS = [
  "sh",
  "ls",
  "cat",
  "id",
  "echo",
  "stat",
  "hostname",
  "readlink",
  "sleep",
  "touch",
  "true",
  "tty",
  "pwd",
  "test",
];

/** Creates a root file system from Debian's static busybox in `directory`/rootfs. Returns its path. */
export function makeRootfs(directory: string): string {
  if (!existsSync(BUSYBOX)) throw new Error(`${BUSYBOX} is missing: apt-get install busybox-static`);
  const root = join(directory, "rootfs");
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "masked", "second", "readonly", "data"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
  writeFileSync(join(root, "etc/secret"), "secret\n");
  writeFileSync(join(root, "masked/file"), "hidden\n");
  writeFileSync(join(root, "second/file"), "hidden\n");
  makeReadable(root);
  return root;
}
