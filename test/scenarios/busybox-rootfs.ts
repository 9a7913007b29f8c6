import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

let found: { readonly busybox: string; readonly applets: readonly string[] } | undefined;

/**
 * Creates a root file system from this machine's busybox-static, which has a hard link for each applet: file systems take
 * many times as long for a symbolic one, which needs an inode of its own. Every user can read it. Returns `path`.
 */
export function makeBusyboxRootfs(path: string): string {
  for (const name of ["", "bin", "etc", "proc", "sys", "dev", "tmp", "root"]) {
    mkdirSync(join(path, name), { recursive: true });
    chmodSync(join(path, name), 0o755);
  }
  found ??= findBusybox();
  const own = join(path, "bin/busybox");
  cpSync(found.busybox, own);
  chmodSync(own, 0o755);
  for (const applet of found.applets) linkSync(own, join(path, "bin", applet));
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n");
  chmodSync(join(path, "etc/passwd"), 0o644);
  return path;
}

function findBusybox(): { busybox: string; applets: string[] } {
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("no busybox on this machine: apt-get install busybox-static");
  const listed = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
  return { busybox, applets: listed.filter((applet) => applet !== "" && applet !== "busybox") };
}
