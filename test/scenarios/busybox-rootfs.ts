import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeReadable } from "../../lib/testing/make-readable.ts";

/** Creates a root file system from this machine's busybox-static, with links for all applets. Returns `path`. */
export function makeBusyboxRootfs(path: string): string {
  for (const name of ["bin", "etc", "proc", "sys", "dev", "tmp", "root"])
    mkdirSync(join(path, name), { recursive: true });
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("no busybox on this machine: apt-get install busybox-static");
  cpSync(busybox, join(path, "bin/busybox"));
  for (const applet of execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n")) {
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(path, "bin", applet));
  }
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n");
  makeReadable(path);
  return path;
}
