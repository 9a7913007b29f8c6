import { randomBytes } from "node:crypto";
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

function cardDevice({ mac, port }: NetworkCard, { type }: Place): PluggedDevice {
  const properties = { netdev: NETDEV, mac, romfile: "", ...portOf(type, port) };
  return { id: CARD, driver: "virtio-net-pci", properties };
}

function forwardRules({ forwards }: UserNetwork): string[] {
  return forwards.map(({ protocol, address, hostPort, guestPort }) => {
    return `${protocol}:${address}:${hostPort}-${USER_NETWORK.address}:${guestPort}`;
  });
}
