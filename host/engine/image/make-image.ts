import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImageError } from "../../../image/image-error.ts";
import { thisPlatform } from "../../../image/platform.ts";
import { type LayerEntry, packTar, writeLayout } from "../../../image/write-layout.ts";
import { reason } from "../../../lib/reason.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { debianFile } from "./debian-file.ts";

/**
 * Builds a small image from Debian's busybox-static, with a shell and some 270 tools, as an OCI layout in a tar file.
 * Needs neither root nor a registry, and the network only if the package is not cached. Throws ImageError.
 */
export async function makeBusyboxImage(path: string): Promise<void> {
  const busybox = await debianFile("busybox-static", "bin/busybox");
  const layer = await packTar(busyboxEntries(busybox, applets(busybox)));
  const config = { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] };
  await writeLayout(path, { name: "busybox", platform: thisPlatform(), config, layers: [layer] });
}

/** Returns the names of the tools that the binary provides. */
function applets(busybox: Uint8Array): string[] {
  const directory = makeTemporaryFolder("guestd-busybox-");
  const file = join(directory, "busybox");
  try {
    writeFileSync(file, busybox, { mode: 0o700 });
    const list = execFileSync(file, ["--list"], { encoding: "utf8", timeout: 10_000 });
    return list.split("\n").filter((name) => /^[^/\s]+$/.test(name) && name !== "busybox");
  } catch (error) {
    throw new ImageError(`list the tools of busybox: ${reason(error)}`, { cause: error });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function busyboxEntries(busybox: Uint8Array, names: readonly string[]): LayerEntry[] {
  const directory = (name: string, mode = 0o755): LayerEntry => ({ name: `${name}/`, type: "directory", mode });
  const file = (name: string, content: string | Uint8Array, mode = 0o644): LayerEntry => ({ name, mode, content });
  const etc = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/:/bin/false"];
  const groups = ["root:x:0:", "tty:x:5:", "nogroup:x:65534:"];
  const empty = ["dev", "home", "mnt", "proc", "run", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/log"];
  return [
    directory("bin"),
    file("bin/busybox", busybox, 0o755),
    ...names.map((name): LayerEntry => ({ name: `bin/${name}`, type: "link", linkname: "bin/busybox", mode: 0o755 })),
    { name: "sbin", type: "symlink", linkname: "bin", mode: 0o777 },
    directory("etc"),
    file("etc/passwd", `${etc.join("\n")}\n`),
    file("etc/group", `${groups.join("\n")}\n`),
    file("etc/hostname", "busybox\n"),
    file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    file("etc/resolv.conf", ""),
    directory("root", 0o700),
    directory("tmp", 0o1777),
    directory("var/tmp", 0o1777),
    ...empty.map((name) => directory(name)),
  ];
}
