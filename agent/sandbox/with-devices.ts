import type { DeviceSpec, Spec } from "../container/spec.ts";
import type { AttachedDevice } from "../device/attach-device.ts";
import { AgentError } from "../kernel/error.ts";
import { type GuestDevice, guestRules } from "./guest-rules.ts";

const VARIABLE = /^PCIDEVICE_\w+=/;
/** A PCI address with its domain, as device plugins write it. */
const ADDRESS = /\b[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\b/gi;

type Attached = AttachedDevice & { readonly node: NonNullable<AttachedDevice["node"]> };

/**
 * Replaces the host's numbers in a spec with the guest's: in its attached devices, in the cgroup rules for them, and in PCI addresses
 * of the environment. A device without a rule gets one that allows everything. Adds companion nodes that the spec doesn't list.
 */
export function withDevices(spec: Spec, attached: readonly AttachedDevice[]): Spec {
  if (attached.length === 0) return spec;
  const { nodes, given, unlisted } = placed(spec, attached);
  const devices = spec.linux.devices.map((device) => {
    const one = nodes[given.indexOf(device)];
    if (one === undefined) return device;
    const { type, major, minor, path } = one.node;
    return { ...device, type, major, minor, ...(one.ownPath ? { path } : {}) };
  });
  const env = withPciAddresses(spec.process.env, pciOf(attached));
  const rules = guestRules(spec.linux.resources.devices ?? [], guestDevices(spec, attached));
  const resources = { ...spec.linux.resources, devices: rules };
  const own = unlisted.map((node): DeviceSpec => ({ ...node, uid: 0, gid: 0 }));
  const linux = { ...spec.linux, devices: [...devices, ...own], resources };
  return { ...spec, process: { ...spec.process, env }, linux };
}

/** Returns the guest's numbers of the devices, for the device rules of later updates. */
export function guestDevices(spec: Spec, attached: readonly AttachedDevice[]): GuestDevice[] {
  const { nodes, given, unlisted } = placed(spec, attached);
  return [
    ...nodes.map(({ node }, at) => ({ ...numbersOf(node), access: "rwm", host: numbersOf(given[at] as DeviceSpec) })),
    ...unlisted.map((node) => ({ ...numbersOf(node), access: "rwm" })),
  ];
}

/** Pairs nodes with the spec's devices that they stand for; `unlisted` are the companion nodes that the spec doesn't list. */
function placed(spec: Spec, attached: readonly AttachedDevice[]) {
  const beside = besideOf(attached);
  const isListed = ({ path }: { readonly path: string }) => spec.linux.devices.some((device) => device.path === path);
  const nodes = [
    ...attached.filter((one): one is Attached => one.node !== undefined),
    ...beside.filter(isListed).map((node): Attached => ({ containerPath: node.path, node, pci: {} })),
  ];
  const given = nodes.map((one) => givenDevice(spec, one, nodes));
  return { nodes, given, unlisted: beside.filter((node) => !isListed(node)) };
}

function numbersOf({ type, major, minor }: Pick<DeviceSpec, "type" | "major" | "minor">) {
  return { type, major, minor };
}

/** Returns each companion node once, without those whose path an attached device takes. */
function besideOf(attached: readonly AttachedDevice[]): NonNullable<AttachedDevice["beside"]> {
  const byPath = new Map(attached.flatMap(({ beside = [] }) => beside.map((node) => [node.path, node] as const)));
  for (const { containerPath } of attached) byPath.delete(containerPath);
  return [...byPath.values()];
}

/** Returns the PCI addresses of all attached devices, guest by host. */
export function pciOf(attached: readonly AttachedDevice[]): Record<string, string> {
  return Object.assign({}, ...attached.map(({ pci }) => pci));
}

/** Returns the spec's device for an attached one. Throws if the spec lacks it or it was given twice. */
function givenDevice(spec: Spec, { containerPath }: Attached, all: readonly Attached[]): DeviceSpec {
  const refuse = (why: string) => new AgentError("invalid-argument", `device ${JSON.stringify(containerPath)}: ${why}`);
  if (all.filter((one) => one.containerPath === containerPath).length > 1) throw refuse("it is given twice");
  const device = spec.linux.devices.find(({ path }) => path === containerPath);
  if (device === undefined) throw refuse("linux.devices of the OCI spec has none of that path");
  return device;
}

/**
 * Replaces the host's PCI addresses in PCIDEVICE_ variables (lists or JSON) with the guest's, by `pci`. Addresses that `pci` doesn't
 * have stay.
 */
export function withPciAddresses(env: readonly string[], pci: Readonly<Record<string, string>>): readonly string[] {
  if (Object.keys(pci).length === 0) return env;
  const guestOf = (host: string) => (Object.hasOwn(pci, host.toLowerCase()) ? pci[host.toLowerCase()] : undefined);
  return env.map((line) => (VARIABLE.test(line) ? line.replace(ADDRESS, (host) => guestOf(host) ?? host) : line));
}
