import type { SeccompSpec } from "../seccomp/seccomp-spec.ts";
import type { ProcessSpec, Spec } from "../spec.ts";

/** ECMAScript 2026, and Node 24 has it: a number in JSON that no double can hold. */
declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** Of the namespaces whose names differ from host to host. */
const NAMESPACE_TYPES = new Map([
  ["mnt", "mount"],
  ["net", "network"],
]);

/** Annotations by which runsc would look for a sandbox of the pod's; each container has one of its own here. */
const POD_ANNOTATIONS = /^io\.kubernetes\.cri(-o)?\.(container-type|ContainerType)$/;

/**
 * The config.json of a bundle. `Spec` has the names of that file but for one of devices, so what is not mentioned here
 * goes over as it is, new fields included.
 */
export function bundleConfig(spec: Spec, cgroupsPath: string): string {
  const { unsupported: _, origins: __, hostname, domainname, process, linux, ...rest } = spec;
  const { resources, seccomp, ...linuxRest } = linux;
  return toJson({
    // Newer fields are read all the same; crun 1.8 takes no higher number.
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
        ...(path === "" ? {} : { path: seenByOthers(path) }),
      })),
      resources: withoutUnset(resources),
    },
  });
}

/** The file that `exec --process` takes. */
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

/** 64-bit values are text in `Spec`. */
function seccompConfig({ syscalls, ...seccomp }: SeccompSpec): object {
  const withNumbers = syscalls.map(({ args, ...rule }) => ({
    ...rule,
    args: args.map((arg) => ({ ...arg, value: BigInt(arg.value), valueTwo: BigInt(arg.valueTwo) })),
  }));
  return { ...seccomp, syscalls: withNumbers };
}

/** The agent's descriptors have other paths in another process. */
function seenByOthers(path: string): string {
  return path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
}

/** Of those that are absent in the request, 0 is a value. */
const ZERO_COUNTS = new Set(["burst", "idle", "hcaHandles", "hcaObjects"]);

/** Limits that are absent in the request arrive as 0 or "". */
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
