import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../kernel/error.ts";
import { findPciDevice, namesIn, type PciPath } from "../kernel/pci-path.ts";
import type { Network } from "./network.ts";

const STEP_MS = 20;

/** The name of the network device at a PCI path: one that is there at once, else one that comes within the time. */
export async function waitForNetDevice(
  files: Network["files"],
  path: PciPath,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const name = netDeviceAt(files, path);
    if (name !== undefined) return name;
    if (performance.now() >= deadline) break;
    await sleep(STEP_MS, undefined, { signal });
  }
  const there = namesIn(files, "/sys/bus/pci/devices").join(", ") || "none";
  const what = `network device at PCI path ${path.text}: not there after ${timeoutMs} ms`;
  throw new AgentError("internal", `${what}; the PCI devices are ${there}`);
}

/** Below the PCI device itself, or below the virtio device on it. */
function netDeviceAt(files: Network["files"], path: PciPath): string | undefined {
  const device = findPciDevice(files, path);
  if (device === undefined) return undefined;
  const virtio = namesIn(files, device).filter((name) => /^virtio\d+$/.test(name));
  return ["", ...virtio.map((name) => `/${name}`)].flatMap((below) => namesIn(files, `${device}${below}/net`))[0];
}
