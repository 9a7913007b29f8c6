import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { reason } from "../../lib/reason.ts";
import { makeTemporaryFolder } from "../private-folder.ts";

/** Places of a static busybox. */
const PLACES = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox-static"];
const DIRECTORIES = ["bin", "etc", "proc", "sys", "dev", "tmp", "root"];
/** Programs that the cases use. */
const APPLETS = (
  "sh [ awk basename cat chgrp chmod chown cp cut date dd df dirname echo env expr false find grep head hostname id ionice ip " +
  "kill ln ls mkdir mkfifo mknod mount mv nice od ping printf ps pwd readlink rm rmdir sed seq sha256sum sleep sort stat stty " +
  "sync tail test touch tr true tty umount uname uniq usleep wc which yes"
).split(" ");
/** Program header type of a dynamic program's interpreter. */
const PT_INTERP = 3;

/** Directory with a root file system on this machine, or the reason why none is available. */
export type LocalRoot = { readonly path: string } | { readonly missing: string };

/**
 * Returns the root file system to upload: the given directory, the content of the given tar file, or a few links to this
 * machine's static busybox. It is removed when this process ends.
 */
export function localRoot(given?: string): LocalRoot {
  if (given !== undefined) return statSync(given).isDirectory() ? { path: resolve(given) } : unpack(resolve(given));
  const busybox = PLACES.find((path) => existsSync(path) && isStatic(readFileSync(path)));
  if (busybox === undefined) {
    return { missing: "this machine has no static busybox; install busybox-static, or give --rootfs" };
  }
  const path = join(makeTemporaryFolder("guestd-rootfs-"), "rootfs");
  for (const name of DIRECTORIES) mkdirSync(join(path, name), { recursive: true });
  cpSync(busybox, join(path, "bin/busybox"));
  for (const name of APPLETS) symlinkSync("busybox", join(path, "bin", name));
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n");
  writeFileSync(join(path, "etc/group"), "root:x:0:\naudio:x:29:\nstaff:x:50:\nusers:x:100:\n");
  return { path };
}

function unpack(file: string): LocalRoot {
  const path = join(makeTemporaryFolder("guestd-rootfs-"), "rootfs");
  mkdirSync(path);
  try {
    execFileSync("tar", ["--extract", "--no-same-owner", "--file", file, "--directory", path], { stdio: "pipe" });
  } catch (error) {
    return { missing: `unpack ${file}: ${reason(error)}` };
  }
  return { path };
}

/** True for a 64-bit little-endian ELF program without an interpreter. */
export function isStatic(file: Buffer): boolean {
  if (file.length < 64 || file.toString("latin1", 1, 4) !== "ELF" || file[4] !== 2 || file[5] !== 1) return false;
  const [table, size, count] = [Number(file.readBigUInt64LE(32)), file.readUInt16LE(54), file.readUInt16LE(56)];
  if (table + size * count > file.length || size < 4) return false;
  return !Array.from({ length: count }, (_, at) => file.readUInt32LE(table + at * size)).includes(PT_INTERP);
}
