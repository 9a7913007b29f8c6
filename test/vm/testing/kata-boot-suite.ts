import { expect } from "vitest";
import { imagePaths } from "../../../host/vm/paths.ts";
import { type KataRoot, kernelCommandLines } from "../../hosts/kernel-command-lines.ts";
import { Pod } from "../../scenarios/pod.ts";
import { type GuestMachineOptions, startGuestMachine } from "./guest-machine.ts";

/** Lines in /proc/mounts by the device of the root. */
const MOUNTED: Readonly<Record<KataRoot, RegExp>> = {
  pmem: /^\/dev\/(pmem0p1|root) \/ erofs ro,\S*\bdax=always\b/m,
  disk: /^\/dev\/(vda1|root) \/ erofs ro,(?!\S*dax=always)/m,
  initrd: /^(rootfs|none|tmpfs) \/ (rootfs|tmpfs) rw/m,
};

export interface KataFiles {
  /** Image of the kata-image format. */
  readonly image?: string;
  /** Initrd of the kata-initrd format, with the modules that the kernel needs. */
  readonly initrd?: string;
  /** A kernel with built-in drivers, which needs no initramfs of ours. */
  readonly kernel?: string | undefined;
}

/**
 * Boots a guest with a Kata host's kernel command line after "console=ttyS0 quiet panic=-1", which lets the test see
 * the console. Runs a container, and ends as the Go shim does.
 */
export async function bootsForKata(
  host: keyof typeof kernelCommandLines,
  root: KataRoot,
  files: KataFiles,
): Promise<void> {
  const memory = root === "initrd" ? 1024 : 512;
  const words = kernelCommandLines[host](root);
  await using machine = await startGuestMachine(memory, { kernelArgs: words, ...devices(root, files) });
  const client = await machine.connect();
  expect((await client.health.check({})).status).toBe(1);

  const pod = await Pod.open(machine, client);
  const { stdout, status } = await pod.run(["sh", "-c", "echo $(cat /proc/1/comm) of $(hostname); exit 3"]);
  expect({ stdout: stdout.toString(), status }).toEqual({ stdout: "sh of pod-host\n", status: 3 });

  const [line, mounts] = await Promise.all(["cat /proc/cmdline", "cat /proc/1/mounts"].map(machine.shell));
  expect(line).toContain(words.join(" "));
  expect(mounts).toMatch(MOUNTED[root]);
  expect(machine.console()).not.toContain("guestd-init: ");
  await machine.guest.powerOff(() => client.agent.destroySandbox({}));
  expect(machine.guest.pids).toEqual([]);
}

/** Returns the guest's devices, without our initramfs if the root is one or the kernel needs none. */
function devices(root: KataRoot, { image = "", initrd = "", kernel }: KataFiles): GuestMachineOptions {
  const own = kernel === undefined ? imagePaths : { kernel, initrd: false as const };
  switch (root) {
    case "pmem":
      return { ...own, image };
    case "disk": {
      const drive = `id=image,file=${image},format=raw,if=none,readonly=on`;
      return { ...own, image: false, qemuArgs: ["-drive", drive, "-device", "virtio-blk-pci,drive=image"] };
    }
    case "initrd":
      return { ...own, image: false, initrd };
  }
}
