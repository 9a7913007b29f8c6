import { MNT_DETACH, MS_BIND } from "../kernel/constants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { mountedOn } from "../storage/mounts.ts";

const SOURCE = "/run/kata-containers/sandbox/resolv.conf";
const TARGET = "/etc/resolv.conf";

/** Writes a resolv.conf for containers and bind-mounts it over the guest's own, if the guest has one. */
export async function setUpDns(kernel: Kernel, lines: readonly string[]): Promise<void> {
  const { sys, files } = kernel;
  if (lines.length === 0) return;
  await removeDns(kernel); // left by an interrupted creation
  files.makeDirectory("/run/kata-containers/sandbox");
  files.replace(SOURCE, `${lines.join("\n")}\n`, 0o644); // readable by every user of the containers that mount it
  if (files.exists(TARGET)) await sys.mount(SOURCE, TARGET, "", MS_BIND, "");
}

/** Replaces the lines, also in containers that mount the file. Without lines nothing changes. */
export async function updateDns(kernel: Kernel, lines: readonly string[]): Promise<void> {
  const { files } = kernel;
  if (lines.length === 0) return;
  if (files.exists(SOURCE)) files.rewrite(SOURCE, `${lines.join("\n")}\n`);
  else await setUpDns(kernel, lines);
}

/** Undoes setUpDns. A mount that the guest had before stays. */
export async function removeDns({ sys, files }: Kernel): Promise<void> {
  if (!files.exists(SOURCE)) return;
  if (mountedOn(files, TARGET) !== undefined) await sys.umount(TARGET, MNT_DETACH);
  files.removeTree(SOURCE);
}
