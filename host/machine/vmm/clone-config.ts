import { isJsonObject } from "../../../lib/parse-json.ts";
import { MachineError } from "../machine-error.ts";

/** Resources of the host that a clone uses instead of the snapshot's. */
export interface CloneResources {
  /** Path of the clone's vsock socket, which must not exist yet. */
  readonly vsock: string;
  /** Names of tap devices by the id of the network device. */
  readonly taps?: Readonly<Record<string, string>>;
  /** Files of writable disks and pmem devices by their id: copies made while the template was paused. */
  readonly disks?: Readonly<Record<string, string>>;
}

type Device = Readonly<Record<string, unknown>>;

/** Kinds of devices whose state is outside the snapshot, with the remedy. */
const REFUSED: Readonly<Record<string, string>> = {
  fs: "a virtio-fs share; give its containers roots on disks",
  devices: "a VFIO device; take the template without it",
  user_devices: "a vfio-user device; take the template without it",
  vdpa: "a vDPA device; take the template without it",
  generic_vhost_user: "a vhost-user device; take the template without it",
  tpm: "a TPM, whose state is in another process; take the template without it",
};

/**
 * Returns a template's config.json for a clone in `folder`. Throws MachineError if the clone would share something
 * writable with the template. Files and sockets of the serial port and the consoles move into `folder`, since a restore
 * truncates them.
 */
export function cloneConfig(template: unknown, folder: string, resources: CloneResources): Device {
  if (!isJsonObject(template)) throw refusal("config.json is not an object; take the template again");
  for (const [kind, remedy] of Object.entries(REFUSED)) {
    const found = template[kind];
    if (Array.isArray(found) ? found.length > 0 : isJsonObject(found)) throw refusal(`the template has ${remedy}`);
  }
  checkMemory(template);
  if (!isJsonObject(template["vsock"])) {
    throw refusal("the template has no vsock device, so its agent can't be reached; start it with --vsock");
  }
  return {
    ...template,
    vsock: { ...template["vsock"], socket: resources.vsock },
    ...rewritten(template, "net", (device) => cloneNet(device, resources.taps ?? {})),
    ...rewritten(template, "disks", (device) => cloneFile(device, "path", "readonly", resources.disks ?? {})),
    ...rewritten(template, "pmem", (device) => cloneFile(device, "file", "discard_writes", resources.disks ?? {})),
    ...consoles(template, folder),
  };
}

/** Memory in a file of the host isn't part of the snapshot, and would be the template's and every clone's. */
function checkMemory({ memory }: Device): void {
  const zones = isJsonObject(memory) ? list(memory["zones"]) : [];
  const zone = zones.find(({ file }) => typeof file === "string");
  if (zone === undefined) return;
  throw refusal(
    `memory zone ${String(zone["id"])} is the file ${String(zone["file"])}; leave file out of --memory-zone`,
  );
}

function cloneNet(device: Device, taps: Readonly<Record<string, string>>): Device {
  const id = String(device["id"]);
  if (device["vhost_user"] === true) throw refusal(`network device ${id} is vhost-user; use a tap device`);
  if (Array.isArray(device["fds"]) && device["fds"].length > 0) {
    throw refusal(`network device ${id} was passed as descriptors; name its tap device instead`);
  }
  const own = taps[id];
  if (own !== undefined) return { ...device, tap: own };
  if (typeof device["tap"] !== "string") return device;
  throw refusal(`network device ${id} uses the template's tap ${device["tap"]}; name the clone's in taps`);
}

function cloneFile(device: Device, key: string, shareable: string, files: Readonly<Record<string, string>>): Device {
  const id = String(device["id"]);
  if (device["vhost_user"] === true) throw refusal(`disk ${id} is vhost-user; use a file`);
  const own = files[id];
  if (own !== undefined) return { ...device, [key]: own };
  if (device[shareable] === true) return device;
  throw refusal(
    `disk ${id} (${String(device[key])}) is writable; name the clone's copy in disks, or make it ${shareable}`,
  );
}

function consoles(template: Device, folder: string): Device {
  const moved = ["serial", "console", "debug_console"].flatMap((kind) => {
    const device = template[kind];
    if (!isJsonObject(device)) return [];
    const file = typeof device["file"] === "string" ? { file: `${folder}/${kind}.log` } : {};
    const socket = typeof device["socket"] === "string" ? { socket: `${folder}/${kind}.sock` } : {};
    return [[kind, { ...device, ...file, ...socket }] as const];
  });
  return Object.fromEntries(moved);
}

/** Returns the property with its devices changed, or nothing if the template has none. */
function rewritten(template: Device, kind: string, change: (device: Device) => Device): Device {
  const devices = list(template[kind]);
  return devices.length === 0 ? {} : { [kind]: devices.map(change) };
}

function list(value: unknown): readonly Device[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function refusal(why: string): MachineError {
  return new MachineError(`clone of a Cloud Hypervisor snapshot: ${why}`);
}
