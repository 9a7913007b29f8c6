import { S_IFBLK, S_IFCHR, S_IFIFO } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import { refuse } from "../refuse.ts";
import type { DeviceSpec } from "../spec.ts";
import type { PlanBuilder } from "./plan-builder.ts";

/** Character devices that every container has below /dev: name, major and minor number. */
const DEVICES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["tty", 5, 0],
  ["random", 1, 8],
  ["urandom", 1, 9],
] as const;

const LINKS = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["/proc/kcore", "/dev/core"],
  ["pts/ptmx", "/dev/ptmx"],
] as const;

/** File types by the letters of the OCI spec; `u`, an unbuffered character device, is the same as `c` to Linux. */
const TYPES = new Map([
  ["c", S_IFCHR],
  ["u", S_IFCHR],
  ["b", S_IFBLK],
  ["p", S_IFIFO],
]);
/** The kernel's dev_t has 12 bits for the major and 20 for the minor number; larger numbers would be truncated. */
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;
const PERMISSIONS = 0o7777;
const MAX_DEVICES = 4096;

/**
 * Adds the nodes and links of /dev. A device of the spec may have any path in the container and replaces a default
 * one of the same path. With `bind`, in a user namespace where mknod is forbidden, binds the guest's node of that
 * path instead.
 */
export function compileDevices(plan: PlanBuilder, devices: readonly DeviceSpec[], bind: boolean): void {
  const given = new Set(devices.map(({ path }) => cleanPath(path)));
  plan.add("default devices", { op: "mkdir", path: "/dev", mode: 0o755 });
  for (const [name, major, minor] of DEVICES) {
    const device = { path: `/dev/${name}`, type: "c", major, minor, mode: 0o666, uid: 0, gid: 0 };
    if (!given.has(device.path)) addDevice(plan, "default devices", device, bind);
  }
  for (const [index, device] of devices.entries()) addDevice(plan, `linux.devices[${index}]`, device, bind);
  for (const [target, path] of LINKS) {
    if (!given.has(path)) plan.add("default devices", { op: "symlink", target, path });
  }
}

function addDevice(plan: PlanBuilder, reason: string, device: DeviceSpec, bind: boolean): void {
  const { mode, uid, gid } = device;
  const path = cleanPath(device.path);
  if (bind) {
    plan.add(reason, { op: "open-tree", from: "guest", path, recursive: false });
    plan.add(reason, { op: "attach", target: path, overProc: false });
    return;
  }
  const type = TYPES.get(device.type) ?? 0;
  const [major, minor] = type === S_IFIFO ? [0, 0] : [device.major, device.minor];
  plan.add(reason, { op: "mknod", path, mode: type | (mode & PERMISSIONS), major, minor, uid, gid });
}

/** Throws a one-line error that names the first invalid device. */
export function checkDevices(devices: readonly DeviceSpec[]): void {
  if (devices.length > MAX_DEVICES) {
    throw refuse("linux.devices", `has ${devices.length} entries, more than ${MAX_DEVICES}`);
  }
  for (const [index, { path, type, major, minor }] of devices.entries()) {
    const wrong = (why: string) =>
      new AgentError("invalid-argument", `OCI spec: linux.devices[${index}] (${path}) ${why}`);
    if (!path.startsWith("/")) throw wrong("is not an absolute path");
    if (path.includes("\0")) throw wrong("has a NUL byte in it");
    if (/\/(|\.|\.\.)$/.test(path)) throw wrong("names a directory");
    const kind = TYPES.get(type);
    if (kind === undefined) throw wrong(`type "${type}" is not one of c, b, u, p`);
    if (kind === S_IFIFO) continue;
    if (!isWithin(major, MAX_MAJOR)) throw wrong(`major ${major} is outside 0..${MAX_MAJOR}`);
    if (!isWithin(minor, MAX_MINOR)) throw wrong(`minor ${minor} is outside 0..${MAX_MINOR}`);
  }
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/** Turns `/dev//./null` into `/dev/null`; keeps `..`, because only the kernel knows where that leads. */
function cleanPath(path: string): string {
  return path.replace(/\/(\.?\/)+/g, "/");
}
