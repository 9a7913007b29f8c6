import { statSync } from "node:fs";
import { isJsonObject } from "../../lib/parse-json.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { specFromJson } from "../oci/config-json.ts";
import { OperationError } from "../operation-error.ts";

/** A folder or file of the host that a container gets, as its spec names it. */
export interface HostBind {
  readonly source: string;
  readonly options: readonly string[];
  readonly isFile: boolean;
}

/** An engine's spec as the agent gets it, and what the host has to share for it. */
export interface GuestSpec {
  readonly spec: grpc.Spec;
  /** In the order of their places (`GuestPlaces.bind`). */
  readonly binds: readonly HostBind[];
}

export interface GuestPlaces {
  /** Path of the container's root in the guest. */
  readonly root: string;
  /** Path in the guest of the bind with this index. */
  bind(index: number): string;
}

type Json = Readonly<Record<string, unknown>>;

/** Resources that stand for devices of the host, or that a guest's kernel doesn't have. */
const NOT_IN_GUEST = ["devices", "blockIO", "hugepageLimits", "network", "rdma"];
/** Without these, a container would use the host's own, which no guest can give it. */
const ISOLATED = new Map([
  ["network", "the host's network; leave out --net-host or hostNetwork"],
  ["pid", "the host's processes; leave out --pid=host or hostPID"],
]);

/**
 * Turns an engine's spec into one for a guest: namespaces have no path on the host, files of the host come from the share, and
 * hooks and labels of the host's security modules are left out. Throws OperationError, one line, for what a guest can't have.
 * @param json the parsed config.json
 * @param what begins the lines of errors
 */
export function guestSpec(json: unknown, places: GuestPlaces, what: string): GuestSpec {
  const config = object(json);
  const linux = object(config["linux"]);
  const process = object(config["process"]);
  refuse(linux, what);
  const binds: HostBind[] = [];
  const mounts = list(config["mounts"]).map((mount) => {
    const { destination, source = "", options } = mount;
    const flags = texts(options);
    if (mount["type"] !== "bind" && !flags.includes("bind") && !flags.includes("rbind")) return mount;
    if (destination === "/dev/shm") return SHM;
    const bind = { source: String(source), options: flags, isFile: isFile(String(source), what) };
    return { ...mount, type: "bind", source: places.bind(binds.push(bind) - 1) };
  });
  const guest = {
    ...config,
    hooks: null,
    mounts,
    root: { ...object(config["root"]), path: places.root },
    process: withoutLabels(process),
    linux: {
      ...linux,
      mountLabel: null,
      namespaces: list(linux["namespaces"]).flatMap(({ type }) => (type === "network" ? [] : [{ type }])),
      resources: without(object(linux["resources"]), NOT_IN_GUEST),
    },
  };
  return { spec: specFromJson(guest, what, () => undefined), binds };
}

/** Turns an engine's process, as JSON, into one for a guest. Throws an error of one line. */
export function guestProcess(json: unknown, what: string): grpc.Process {
  const { Process } = specFromJson({ process: withoutLabels(object(json)) }, what, () => undefined);
  if (Process === null) throw new OperationError(`${what}: it names no process`, { kind: "invalid-argument" });
  return Process;
}

/** Turns an engine's linux.resources, as JSON, into those for a guest. Throws an error of one line. */
export function guestResources(json: unknown, what: string): grpc.LinuxResources | null {
  const resources = without(object(json), NOT_IN_GUEST);
  return specFromJson({ linux: { resources } }, what, () => undefined).Linux?.Resources ?? null;
}

/** An engine binds a folder of the host there, for all containers of a pod; a guest has its own memory. */
const SHM = {
  destination: "/dev/shm",
  type: "tmpfs",
  source: "shm",
  options: ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"],
};

function refuse(linux: Json, what: string): void {
  const has = new Set(list(linux["namespaces"]).map(({ type }) => type));
  for (const [type, why] of ISOLATED) if (!has.has(type)) throw unsupported(`${what}: a guest can't use ${why}`);
  const [device] = list(linux["devices"]);
  if (device === undefined) return;
  throw unsupported(
    `${what}: a guest can't use the host's device ${device["path"]}; leave out --device or --privileged`,
  );
}

function isFile(source: string, what: string): boolean {
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new OperationError(`${what}: mount ${source}: no such file or folder; create it`, { kind: "not-found" });
  }
  if (stat.isDirectory() || stat.isFile()) return stat.isFile();
  const kind = stat.isSocket() ? "a socket" : "a device or pipe";
  throw unsupported(`${what}: mount ${source}: it is ${kind} of the host, which a guest can't use; leave it out`);
}

const unsupported = (line: string) => new OperationError(line, { kind: "unsupported" });

const withoutLabels = (process: Json): Json => without(process, ["apparmorProfile", "selinuxLabel"]);

const without = (from: Json, names: readonly string[]): Json =>
  Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)));

const object = (value: unknown): Json => (isJsonObject(value) ? value : {});

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(object) : []);

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);
