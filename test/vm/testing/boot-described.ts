import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { Guest } from "../../../host/vm/guest.ts";
import type { GuestOptions } from "../../../host/vm/guest-options.ts";
import type { GuestDescription } from "../../../rootfs-builder/profiles/make-guest.ts";

const MIB = 1024 * 1024;

/** QEMU machine for a way to start that guest.json describes; for other VMMs one with the same devices. */
export type Stand = "q35" | "microvm" | "like cloud-hypervisor" | "like firecracker";

const START: Readonly<Record<Stand, string>> = {
  q35: "q35",
  microvm: "microvm",
  "like cloud-hypervisor": "cloud-hypervisor",
  "like firecracker": "firecracker",
};

export function describedGuest(directory: string): GuestDescription {
  return JSON.parse(readFileSync(join(directory, "guest.json"), "utf8"));
}

/** Starts the guest in the folder with the kernel command line of its guest.json. */
async function startDescribed(directory: string, stand: Stand, more: GuestOptions = {}): Promise<Guest> {
  const { kernel, initrd, root, starts } = describedGuest(directory);
  const start = starts.find(({ machine }) => machine === START[stand]);
  if (kernel === undefined || start === undefined) throw new Error(`${directory}: nothing for ${stand}`);
  const file = join(directory, root.file);
  const small = stand === "microvm" || stand === "like firecracker";
  const device = rootDevice(file, root.size, start.kernelCommandLine, stand);
  return Guest.start({
    ...(small ? { type: "microvm", pci: false } : {}),
    kernel: join(directory, kernel),
    initrd: initrd !== undefined && join(directory, initrd),
    memoryMib: root.output.startsWith("initramfs") ? 768 : 512,
    image: false,
    ...device,
    kernelArgs: [start.kernelCommandLine],
    ...more,
    qemuArgs: [...(device.qemuArgs ?? []), ...(more.qemuArgs ?? [])],
  });
}

function rootDevice(file: string, size: number, line: string, stand: Stand): GuestOptions {
  if (!line.includes("root=")) return {};
  if (line.includes("/dev/pmem0")) {
    if (stand === "q35") return { image: file };
    const backend = `memory-backend-file,id=root,mem-path=${file},size=${size / MIB}M,share=on,readonly=on`;
    const room = ["-m", "slots=2,maxmem=4G"];
    return { qemuArgs: [...room, "-object", backend, "-device", "virtio-pmem-pci,memdev=root"] };
  }
  const bus = stand === "q35" || stand === "like cloud-hypervisor" ? "pci" : "device";
  const drive = `id=root,file=${file},format=raw,if=none,readonly=on`;
  return { qemuArgs: ["-drive", drive, "-device", `virtio-blk-${bus},drive=root`] };
}

export interface Booted {
  /** From the start of QEMU's devices to the first answered Check. */
  readonly milliseconds: number;
  /** The guest's MemAvailable at that time. */
  readonly availableBytes: number;
}

/** Boots the guest, waits for the first answered Check, calls `use`, and powers off. */
export async function bootsDescribed(
  directory: string,
  stand: Stand,
  more: GuestOptions = {},
  use: (client: AgentClient) => Promise<void> = async () => {},
): Promise<Booted> {
  const begun = performance.now();
  await using guest = await startDescribed(directory, stand, more);
  const client = await connect(guest.address(1024));
  const { status } = await client.health.check({});
  const milliseconds = performance.now() - begun;
  if (status !== 1) throw new Error(`Check says ${status}`);
  const { metrics } = await client.agent.getMetrics({});
  const available = /^kata_guest_meminfo\{item="mem_available"\} (\S+)$/m.exec(metrics)?.[1];
  await use(client);
  await guest.powerOff(() => client.agent.destroySandbox({}));
  return { milliseconds, availableBytes: Number(available) };
}
