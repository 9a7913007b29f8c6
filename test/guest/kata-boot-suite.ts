import { expect } from "vitest";
import { type KataRoot, kernelLines } from "../hosts/kernel-lines.ts";
import { Pod } from "../scenarios/pod.ts";
import { startGuestMachine } from "./guest-machine.ts";

/** The device that a root is on, and how /proc/mounts has it. */
const MOUNTED: Readonly<Record<KataRoot, RegExp>> = {
  pmem: /^\/dev\/pmem0p1 \/ erofs ro,\S*\bdax=always\b/m,
  disk: /^\/dev\/vda1 \/ erofs ro,(?!\S*dax=always)/m,
  initrd: /^(rootfs|none|tmpfs) \/ (rootfs|tmpfs) rw/m,
};

export interface KataFiles {
  /** Of the kata-image format. */
  readonly image?: string;
  /** Of the kata-initrd format, with what this kernel needs. */
  readonly initrd?: string;
}

/**
 * Boots as a Kata host has its guests boot, by its command line after "console=ttyS0 quiet panic=-1", which lets the test
 * see the console; runs a container, and ends as the Go shim does.
 */
export async function bootsForKata(host: keyof typeof kernelLines, root: KataRoot, files: KataFiles): Promise<void> {
  const memory = root === "initrd" ? 1024 : 512;
  const words = kernelLines[host](root);
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

/** Without an initramfs of ours where the root is one. */
function devices(root: KataRoot, { image, initrd }: KataFiles) {
  switch (root) {
    case "pmem":
      return image === undefined ? {} : { image };
    case "disk": {
      const drive = `id=image,file=${image},format=raw,if=none,readonly=on`;
      return { image: false, qemuArgs: ["-drive", drive, "-device", "virtio-blk-pci,drive=image"] } as const;
    }
    case "initrd":
      return { image: false, ...(initrd === undefined ? {} : { initrd }) } as const;
  }
}
