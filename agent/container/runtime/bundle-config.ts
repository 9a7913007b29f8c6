import { nodeRules } from "../cgroup/device-rules.ts";
import type { SeccompSpec } from "../seccomp/seccomp-spec.ts";
import type { ProcessSpec, Spec } from "../spec.ts";

/** JSON.rawJSON of ECMAScript 2026, which Node 24 has: writes a number that a double can't hold. */
declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** OCI names of the namespaces that hosts name differently. */
const NAMESPACE_TYPES = new Map([
  ["mnt", "mount"],
  ["net", "network"],
]);

/** Annotations that make runsc look for the pod's sandbox; here each container has its own. */
const POD_ANNOTATIONS = /^io\.kubernetes\.cri(-o)?\.(container-type|ContainerType)$/;

/**
 * The config.json of a bundle. `Spec` uses the names of that file except for one field of devices, so all else is
 * copied unchanged, including new fields.
 */
export function bundleConfig(spec: Spec, cgroupsPath: string): string {
  const { unsupported: _, origins: __, hostname, domainname, process, linux, ...rest } = spec;
  const { resources, seccomp, ...linuxRest } = linux;
  return toJson({
    // Runtimes read newer fields anyway; crun 1.8 rejects a higher version.
    ociVersion: "1.0.2",
    ...rest,
    ...(hostname === "" ? {} : { hostname }),
    ...(domainname === "" ? {} : { domainname }),
    annotations: Object.fromEntries(Object.entries(spec.annotations).filter(([key]) => !POD_ANNOTATIONS.test(key))),
    process: processConfig(process),
    linux: {
      ...linuxRest,
      ...(seccomp === undefined ? {} : { seccomp: seccompConfig(seccomp) }),
      cgroupsPath,
      devices: linux.devices.map(({ mode, ...device }) => ({ ...device, fileMode: mode })),
      namespaces: linux.namespaces.map(({ type, path }) => ({
        type: NAMESPACE_TYPES.get(type) ?? type,
        ...(path === "" ? {} : { path: visibleToOthers(path) }),
      })),
      resources: withoutUnset(resources),
    },
  });
}

/** The file for `exec --process`. */
export function processJson(process: ProcessSpec): string {
  return toJson(processConfig(process));
}

function processConfig({ rlimits, ...process }: ProcessSpec): object {
  return {
    ...process,
    rlimits: rlimits.map(({ type, soft, hard }) => ({
      type: type.toUpperCase(),
      soft,
      hard,
    })),
  };
}

/** Converts 64-bit values, which are strings in `Spec`, to numbers. */
function seccompConfig({ syscalls, ...seccomp }: SeccompSpec): object {
  const withNumbers = syscalls.map(({ args, ...rule }) => ({
    ...rule,
    args: args.map((arg) => ({ ...arg, value: BigInt(arg.value), valueTwo: BigInt(arg.valueTwo) })),
  }));
  return { ...seccomp, syscalls: withNumbers };
}

/** Rewrites the path of an agent's descriptor so that another process can open it. */
function visibleToOthers(path: string): string {
  return path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
}

/** Fields in which 0 is a value; they are absent if unset. */
const ZERO_COUNTS = new Set(["burst", "idle", "hcaHandles", "hcaObjects"]);

/** Removes unset limits, which arrive as 0 or "". */
function withoutUnset(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, withoutUnset(inner)] as const)
    .filter(([key, inner]) => (inner !== 0 || ZERO_COUNTS.has(key)) && inner !== "" && inner !== undefined);
  return Object.fromEntries(entries);
}

function toJson(value: object): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "bigint" ? JSON.rawJSON(String(inner)) : inner,
  );
}

/**
 * Returns the spec with the device rules for a runtime. The cgroup already has guestd's filter. A runtime that creates
 * no filter by default (`ownFilter` is false) gets no rules. Any other gets guestd's rules: deny everything, then the
 * spec's rules and the nodes of linux.devices; the runtime itself adds the default devices.
 */
export function withDeviceRules(spec: Spec, ownFilter: boolean): Spec {
  const { devices: given = [], ...others } = spec.linux.resources;
  if (!ownFilter) return { ...spec, linux: { ...spec.linux, resources: others } };
  const { before, after } = nodeRules(spec.linux);
  const devices = [{ allow: false, type: "a", access: "rwm" }, ...before, ...given, ...after];
  return { ...spec, linux: { ...spec.linux, resources: { ...others, devices } } };
}
