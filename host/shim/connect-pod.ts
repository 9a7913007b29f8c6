import type { Route } from "../../lib/ip-json.ts";
import type { SandboxGuest } from "../engine/guest/sandbox-guest.ts";
import { waitForCard } from "../engine/network/set-up-network.ts";
import { OperationError } from "../operation-error.ts";
import { MOST_CARDS, plugTapCard } from "../vm/tap-card.ts";
import type { PodDevice, PodNamespace } from "./pod-namespace.ts";

/** Values of types.IPFamily. */
const FAMILY = { v4: 0, v6: 1 };
/** NUD_PERMANENT. */
const PERMANENT = 0x80;
/** RTNH_F_ONLINK; the other flags are states. */
const ONLINK = 4;
/** Names of default routes in lists. */
const DEFAULTS = ["0.0.0.0", "::1"];
const ANSWER = { timeoutMs: 30_000 };

/**
 * Gives a guest the devices of its pod's network namespace: a card for each, with its name, addresses, MAC address and MTU, and
 * the namespace's routes and permanent neighbours. Does nothing if there are none. Throws an error of one line.
 */
export async function connectPod(guest: SandboxGuest, namespace: PodNamespace): Promise<void> {
  const devices = await namespace.devices();
  if (devices.length === 0) return;
  if (devices.length > MOST_CARDS) {
    const names = devices.map(({ name }) => name).join(", ");
    throw new OperationError(`network of the pod: a guest has ${MOST_CARDS} cards, not one for each of ${names}`, {
      kind: "unsupported",
    });
  }
  const [routes, neighbors] = await Promise.all([namespace.routes(), namespace.neighbors()]);
  const { agent } = guest.client;
  for (const [index, device] of devices.entries()) {
    await namespace.mirror(device);
    await using qmp = await guest.guest.qmp();
    await plugTapCard(qmp, index, { tap: device.tap, mac: device.hardwareAddress, mtu: device.mtu });
    await waitForCard(agent, device.hardwareAddress);
    await agent.updateInterface({ interface: interfaceOf(device) }, ANSWER);
  }
  await agent.updateRoutes({ routes: { Routes: inOrder(routes).map(routeOf) } }, ANSWER);
  if (neighbors.length === 0) return;
  const ARPNeighbors = neighbors.map(({ dst, dev, lladdr }) => ({
    toIPAddress: { address: dst, family: dst.includes(":") ? FAMILY.v6 : FAMILY.v4 },
    device: dev,
    lladdr,
    state: PERMANENT,
  }));
  await agent.addARPNeighbors({ neighbors: { ARPNeighbors } }, ANSWER);
}

function interfaceOf({ name, hardwareAddress, mtu, addresses }: PodDevice) {
  const IPAddresses = addresses
    .filter(({ address }) => !address.startsWith("fe80:"))
    .map(({ address, length, family }) => ({ address, mask: `${length}`, family: FAMILY[family] }));
  return { device: name, name, hwAddr: hardwareAddress, mtu, IPAddresses };
}

const routeOf = ({ family, dest, flags, ...route }: Route) => ({
  ...route,
  dest: DEFAULTS.includes(dest) ? "" : dest,
  flags: flags & ONLINK,
  family: FAMILY[family],
});

/** Routes to gateways come before those through them. */
const inOrder = (routes: readonly Route[]): readonly Route[] =>
  routes.toSorted((a, b) => Number(a.gateway !== "") - Number(b.gateway !== ""));
