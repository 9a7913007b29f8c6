import { invalidArgument } from "../kernel/invalid-argument.ts";
import { checkAddress, checkHardwareAddress, checkName } from "./check.ts";
import { ipBatch } from "./ip.ts";
import { requireNetDevices } from "./net-devices.ts";
import type { Network } from "./network.ts";

/** A neighbour: the hardware address behind an IP address on a link. */
export interface Neighbor {
  readonly address: string;
  readonly device: string;
  /** Empty if unknown. */
  readonly hardwareAddress: string;
  /** NUD_* bits; 0 means permanent. */
  readonly state: number;
  /** NTF_* bits. Bits that only the kernel or a bridge uses are ignored. */
  readonly flags: number;
}

const NUD_PERMANENT = 0x80;
const MAX_STATE = 0xff;
const FLAGS = [
  [0x10, "extern_learn"],
  [0x80, "router"],
] as const;
const KNOWN_FLAGS = FLAGS.reduce((bits, [bit]) => bits | bit, 0);

/** Adds neighbour entries, replacing entries with the same address and device. */
export async function addNeighbors(
  network: Network,
  neighbors: readonly Neighbor[],
  signal: AbortSignal,
): Promise<void> {
  const lines = neighborLines(neighbors);
  await network.lock.run(async () => {
    const devices = neighbors.map(({ device }) => device);
    requireNetDevices(network.files, "add neighbours", devices);
    await ipBatch(network, lines, signal);
  });
}

/** Returns one line for the log for each neighbour with flags that are ignored. */
export function neighborWarnings(neighbors: readonly Neighbor[]): string[] {
  return neighbors.flatMap(({ flags }, index) => {
    const others = flags & ~KNOWN_FLAGS;
    if (others === 0) return [];
    return [`ARPNeighbors[${index}].flags: ${others} is ignored; only router (128) and external (16) are supported`];
  });
}

/** Returns lines for `ip -batch`. Throws invalid-argument for the first invalid neighbour. */
function neighborLines(neighbors: readonly Neighbor[]): string[] {
  return neighbors.map(({ address, device, hardwareAddress, state, flags }, index) => {
    const what = `add neighbours: ARPNeighbors[${index}]`;
    checkAddress(`${what}.toIPAddress`, address);
    checkName(`${what}.device`, device);
    if (state < 0 || state > MAX_STATE)
      throw invalidArgument(`${what}.state: ${state} is out of range, use 0 to ${MAX_STATE}`);
    return [
      `neigh replace ${address}`,
      ...(hardwareAddress === "" ? [] : [`lladdr ${checkHardwareAddress(`${what}.lladdr`, hardwareAddress)}`]),
      `dev ${device} nud ${state === 0 ? NUD_PERMANENT : state}`,
      ...FLAGS.filter(([bit]) => flags & bit).map(([, word]) => word),
    ].join(" ");
  });
}
