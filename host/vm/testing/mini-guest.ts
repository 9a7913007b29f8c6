import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { setupCommand } from "../guestctl-command.ts";
import { MachineError } from "../machine-error.ts";
import { cachedKernels } from "../paths.ts";

const run = promisify(execFile);

/** Kernel modules in load order. */
const modules = [
  ...["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"],
  ...["vsock", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport", "fuse", "virtiofs"],
  ...["libnvdimm", "nfit", "nd_btt", "nd_pmem"],
];

/** Builds an initramfs with mini-guest.c in a folder of the caller, for a cached kernel; needs gcc and cpio. */
export async function buildMiniGuest(directory: string): Promise<{ kernel: string; initrd: string }> {
  const cached = cachedKernels()[0];
  if (cached === undefined) throw new MachineError(`no kernel for a guest; run "${setupCommand()}"`);
  const initrd = join(directory, "mini.cpio");
  const root = await mkdtemp(join(directory, "mini-"));
  try {
    const source = fileURLToPath(new URL("mini-guest.c", import.meta.url));
    await mkdir(join(root, "modules"), { recursive: true });
    await run("gcc", ["-static", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-o", join(root, "init"), source]);
    const files = (await readdir(cached.modules, { recursive: true })).filter((name) => name.endsWith(".ko"));
    for (const [index, module] of modules.entries()) {
      const file = files.find((name) => basename(name, ".ko").replaceAll("-", "_") === module);
      if (file === undefined) continue; // built into this kernel
      const name = `${String(index).padStart(2, "0")}-${module}.ko`;
      await copyFile(join(cached.modules, file), join(root, "modules", name));
    }
    await run("sh", ["-c", 'cd "$1" && find . | cpio --quiet -o -H newc >"$2"', "sh", root, initrd]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return { kernel: cached.kernel, initrd };
}
