import type { DeviceSpec, Spec } from "../container/spec.ts";
import type { AttachedDevice } from "../device/attach-device.ts";
import { AgentError } from "../kernel/error.ts";
import { type GuestDevice, guestRules } from "./guest-rules.ts";
import { withPciAddresses } from "./pci-environment.ts";

type Attached = AttachedDevice & { readonly node: NonNullable<AttachedDevice["node"]> };

/**
 * The spec of a host with the guest's numbers: its devices that were attached, the cgroup rules that name them by the
 * host's numbers, and PCI addresses in the environment. A device that no rule names gets one that allows all. Nodes beside
 * a device that the spec has not are added.
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

/** What there is to know of them for rules that come later. */
export function guestDevices(spec: Spec, attached: readonly AttachedDevice[]): GuestDevice[] {
  const { nodes, given, unlisted } = placed(spec, attached);
  return [
    ...nodes.map(({ node }, at) => ({ ...numbersOf(node), access: "rwm", host: numbersOf(given[at] as DeviceSpec) })),
    ...unlisted.map((node) => ({ ...numbersOf(node), access: "rwm" })),
  ];
}

/** Nodes with the devices of the spec that they are, and those that the spec has not. */
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

/** Each once, and none where a device that was attached stands. */
function besideOf(attached: readonly AttachedDevice[]): NonNullable<AttachedDevice["beside"]> {
  const byPath = new Map(attached.flatMap(({ beside = [] }) => beside.map((node) => [node.path, node] as const)));
  for (const { containerPath } of attached) byPath.delete(containerPath);
  return [...byPath.values()];
}

/** PCI addresses of all its devices. */
export function pciOf(attached: readonly AttachedDevice[]): Record<string, string> {
  return Object.assign({}, ...attached.map(({ pci }) => pci));
}

/** The device of the spec that an attached one is. */
function givenDevice(spec: Spec, { containerPath }: Attached, all: readonly Attached[]): DeviceSpec {
  const refuse = (why: string) => new AgentError("invalid-argument", `device ${JSON.stringify(containerPath)}: ${why}`);
  if (all.filter((one) => one.containerPath === containerPath).length > 1) throw refuse("it is given twice");
  const device = spec.linux.devices.find(({ path }) => path === containerPath);
  if (device === undefined) throw refuse("linux.devices of the OCI spec has none of that path");
  return device;
}
