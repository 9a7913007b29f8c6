import { randomBytes } from "node:crypto";
import { MachineError } from "./machine-error.ts";
import { deviceArguments, type Place, type PluggedDevice, plug, portOf, unplug } from "./plugged-device.ts";
import type { PortForward } from "./port-forward.ts";
import type { Qmp } from "./qmp.ts";

const CARD = "card";

/** QEMU's user network: needs no privileges, and reaches whatever this user's processes reach. */
export interface UserNetwork {
  readonly forwards: readonly PortForward[];
}

/**
 * Addresses that QEMU fixes. `gateway` is the host, including its loopback addresses; `dns` forwards to the host's
 * resolver.
 */
export const USER_NETWORK = {
  address: "10.0.2.15",
  prefix: "24",
  gateway: "10.0.2.2",
  dns: "10.0.2.3",
  mac: "02:00:0a:00:02:0f",
} as const;

/** A guest's network card. */
export interface NetworkCard extends UserNetwork {
  readonly mac: string;
  /** Port of a q35 guest. */
  readonly port: "card" | "spare";
}

const NETDEV = "user";

/** Returns a card with a random address of its own, for a guest that is a clone of another, with its card if it had one. */
export function randomCard({ forwards }: UserNetwork, old: NetworkCard | undefined): NetworkCard {
  const bytes = [...randomBytes(4)].map((byte) => byte.toString(16).padStart(2, "0"));
  return { forwards, mac: ["02", "00", ...bytes].join(":"), port: old?.port === "card" ? "spare" : "card" };
}

/** Returns QEMU's arguments for a network card: IPv4 only, and without a boot ROM, which is in a separate package. */
export function cardArguments(card: NetworkCard, place: Place): readonly string[] {
  const rules = forwardRules(card).map((rule) => `,hostfwd=${rule}`);
  return ["-netdev", `user,id=${NETDEV},ipv6=off${rules.join("")}`, ...deviceArguments(cardDevice(card, place))];
}

/** Plugs a card into a guest. */
export async function plugCard(qmp: Qmp, card: NetworkCard, place: Place): Promise<void> {
  const hostfwd = forwardRules(card).map((str) => ({ str }));
  await qmp.execute("netdev_add", { type: "user", id: NETDEV, ipv6: false, hostfwd });
  await plug(qmp, cardDevice(card, place));
}

/** Unplugs the card of a running guest. */
export async function unplugCard(qmp: Qmp): Promise<void> {
  await unplug(qmp, { id: CARD });
  await qmp.execute("netdev_del", { id: NETDEV });
}

/** Stops QEMU from listening for a running guest at ports of the host; connections that are open continue. */
export async function removeForwards(qmp: Pick<Qmp, "execute">, forwards: readonly PortForward[]): Promise<void> {
  for (const { protocol, address, hostPort } of forwards) {
    await monitor(qmp, `hostfwd_remove ${NETDEV} ${protocol}:${address}:${hostPort}`);
  }
}

/** Lets QEMU listen for a running guest at the ports at which it doesn't yet. Throws MachineError. */
export async function addForwards(qmp: Pick<Qmp, "execute">, forwards: readonly PortForward[]): Promise<void> {
  const table = await monitor(qmp, "info usernet");
  for (const forward of forwards) {
    const { protocol, address, hostPort } = forward;
    const host = address === "0.0.0.0" ? "*" : address;
    const words = ["", `${protocol.toUpperCase()}[HOST_FORWARD]`, "", host, `${hostPort}`];
    const isThere = table.split("\n").some((line) => isRow(line, words));
    const [rule = ""] = forwardRules({ forwards: [forward] });
    const said = isThere ? "" : await monitor(qmp, `hostfwd_add ${NETDEV} ${rule}`);
    if (said !== "") throw new MachineError(`publish ${protocol} port ${hostPort} of ${address}: QEMU: ${said}`);
  }
}

/** True if each word that isn't empty is in its column of a table's row. */
function isRow(line: string, words: readonly string[]): boolean {
  const columns = line.split(/\s+/);
  return words.every((word, at) => word === "" || columns[at] === word);
}

/** Has QEMU's monitor for people do what QMP has no command for, and returns what it prints. */
async function monitor(qmp: Pick<Qmp, "execute">, line: string): Promise<string> {
  return `${await qmp.execute("human-monitor-command", { "command-line": line })}`.trim();
}

/** True if the user network has an open TCP connection, to or from the guest. */
export async function hasConnections(qmp: Pick<Qmp, "execute">): Promise<boolean> {
  return /^\s*TCP\[(?:SYN_|ESTABLISHED)/m.test(await monitor(qmp, "info usernet"));
}

function cardDevice({ mac, port }: NetworkCard, { type }: Place): PluggedDevice {
  const properties = { netdev: NETDEV, mac, romfile: "", ...portOf(type, port) };
  return { id: CARD, driver: "virtio-net-pci", properties };
}

function forwardRules({ forwards }: UserNetwork): string[] {
  return forwards.map(({ protocol, address, hostPort, guestPort }) => {
    return `${protocol}:${address}:${hostPort}-${USER_NETWORK.address}:${guestPort}`;
  });
}
