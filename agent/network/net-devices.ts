import { AgentError } from "../kernel/error.ts";
import { namesIn } from "../kernel/pci-path.ts";
import type { Network } from "./network.ts";

/** A network device as sysfs describes it; no program is run. */
export interface NetDevice {
  readonly name: string;
  /** In lower case; empty for a device without one. */
  readonly hardwareAddress: string;
  readonly up: boolean;
  readonly loopback: boolean;
}

const DIRECTORY = "/sys/class/net";
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;

type Files = Pick<Network["files"], "list" | "readText">;

export function netDevices(files: Files): NetDevice[] {
  return namesIn(files, DIRECTORY)
    .sort()
    .flatMap((name) => {
      try {
        const flags = Number(files.readText(`${DIRECTORY}/${name}/flags`).trim());
        const hardwareAddress = files.readText(`${DIRECTORY}/${name}/address`).trim().toLowerCase();
        return [{ name, hardwareAddress, up: (flags & IFF_UP) !== 0, loopback: (flags & IFF_LOOPBACK) !== 0 }];
      } catch {
        return []; // unplugged meanwhile, or a file such as bonding_masters
      }
    });
}

/** Throws unless every name is that of a network device. */
export function requireNetDevices(files: Files, what: string, names: readonly string[]): void {
  const there = namesIn(files, DIRECTORY);
  const missing = names.find((name) => !there.includes(name));
  if (missing === undefined) return;
  throw new AgentError("internal", `${what}: Link not found (Name: ${missing}); present: ${there.sort().join(", ")}`);
}
