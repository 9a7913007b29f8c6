import { AgentError } from "../kernel/error.ts";
import { invalidArgument } from "../kernel/invalid-argument.ts";
import { parsePciPath } from "../kernel/pci-path.ts";
import { checkAddress, checkHardwareAddress, checkLength, checkName, MAX_NAME, type Prefix } from "./check.ts";
import { ipBatch } from "./ip.ts";
import { type NetDevice, netDevices } from "./net-devices.ts";
import { hasIpv6, type Network } from "./network.ts";

/** The requested state of a network device. Empty strings and 0 mean "not set". */
export interface WantedInterface {
  readonly name: string;
  readonly hardwareAddress: string;
  readonly addresses: readonly { readonly address: string; readonly mask: string }[];
  readonly mtu: number;
  readonly pciPath: string;
  /** IFF_* bits. Only IFF_NOARP has an effect. */
  readonly flags: number;
}

const MIN_MTU = 68;
const MAX_MTU = 65_535;
const IFF_NOARP = 0x80;
/** IPv4 prefixes longer than this have no broadcast address. */
const MOST_WITH_BROADCAST = 30;
const TEMPORARY = "_temp";

export interface CheckedInterface extends Omit<WantedInterface, "addresses"> {
  readonly addresses: readonly Prefix[];
}

/**
 * Sets a device's name, addresses, MTU and flags, and brings it up. The device is found by its hardware address,
 * otherwise by its PCI path or its name, and then gets the requested hardware address. If another device has the name,
 * the two swap names.
 */
export async function updateInterface(network: Network, wanted: WantedInterface, signal: AbortSignal): Promise<void> {
  const checked = checkInterface(wanted);
  const pluggedName = wanted.pciPath === "" ? undefined : await network.deviceAt(wanted.pciPath, signal);
  await network.lock.run(async () => {
    const devices = netDevices(network.files);
    await ipBatch(network, interfaceLines(checked, devices, pluggedName, hasIpv6(network.files)), signal);
  });
}

/** Returns lines for `ip -batch`. Throws "Link not found" if the device doesn't exist. */
function interfaceLines(
  wanted: CheckedInterface,
  devices: readonly NetDevice[],
  pluggedName: string | undefined,
  ipv6: boolean,
): string[] {
  const { hardwareAddress, mtu } = wanted;
  const link = findLink(wanted, devices, pluggedName);
  const name = wanted.name === "" ? link.name : wanted.name;
  const other = name === link.name ? undefined : devices.find((one) => one.name === name);
  const temporary = `${name.slice(0, MAX_NAME - TEMPORARY.length)}${TEMPORARY}`;
  const moved = hardwareAddress !== "" && hardwareAddress !== link.hardwareAddress;
  return [
    ...(link.up ? [`link set dev ${link.name} down`] : []),
    `address flush dev ${link.name}`,
    ...(moved ? [`link set dev ${link.name} address ${hardwareAddress}`] : []),
    ...(other?.up ? [`link set dev ${name} down`] : []),
    ...(other === undefined ? [] : [`link set dev ${name} name ${temporary}`]),
    ...(name === link.name ? [] : [`link set dev ${link.name} name ${name}`]),
    ...(other === undefined ? [] : [`link set dev ${temporary} name ${link.name}`]),
    ...(other?.up ? [`link set dev ${link.name} up`] : []),
    ...(mtu === 0 ? [] : [`link set dev ${name} mtu ${mtu}`]),
    `link set dev ${name} arp ${wanted.flags & IFF_NOARP ? "off" : "on"}`,
    // No duplicate address detection: the address is usable at once, and the host assigned it to no other device.
    ...wanted.addresses
      .filter(({ family }) => family === "v4" || ipv6)
      .map(({ address, length, family }) => {
        const more = family === "v6" ? " nodad" : length <= MOST_WITH_BROADCAST ? " broadcast +" : "";
        return `address replace ${address}/${length} dev ${name}${more}`;
      }),
    `link set dev ${name} up`,
  ];
}

function findLink(
  { hardwareAddress, name }: CheckedInterface,
  devices: readonly NetDevice[],
  plugged: string | undefined,
) {
  const byAddress = devices.find((link) => !link.loopback && link.hardwareAddress === hardwareAddress);
  const byName = devices.find((link) => link.name === (plugged ?? name));
  const found = (hardwareAddress === "" ? undefined : byAddress) ?? byName;
  if (found !== undefined) return found;
  const there = devices.map((link) => `${link.name} ${link.hardwareAddress}`).join(", ");
  const sought = hardwareAddress === "" ? `Name: ${name}` : `Address: ${hardwareAddress}`;
  throw new AgentError("internal", `update interface: Link not found (${sought}); present: ${there}`);
}

/** Throws invalid-argument if the kernel or `ip` would not accept a field. */
export function checkInterface(wanted: WantedInterface): CheckedInterface {
  const { name, hardwareAddress, mtu, pciPath } = wanted;
  const what = "update interface";
  if (name !== "") checkName(`${what}: name`, name);
  if (pciPath !== "") parsePciPath(pciPath);
  if (name === "" && hardwareAddress === "" && pciPath === "") {
    throw invalidArgument(`${what}: hwAddr, name and devicePath are all empty; set one of them`);
  }
  if (mtu !== 0 && !(mtu >= MIN_MTU && mtu <= MAX_MTU)) {
    throw invalidArgument(`${what}: mtu ${mtu} is out of range, use ${MIN_MTU} to ${MAX_MTU}`);
  }
  return {
    ...wanted,
    hardwareAddress: hardwareAddress === "" ? "" : checkHardwareAddress(`${what}: hwAddr`, hardwareAddress),
    addresses: wanted.addresses.map(({ address, mask }) => {
      const family = checkAddress(`${what}: address`, address);
      return { address, family, length: checkLength(`${what}: address ${address}`, mask, family) };
    }),
  };
}
