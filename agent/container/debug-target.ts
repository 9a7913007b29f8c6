import { AgentError } from "../kernel/error.ts";
import type { Container } from "./container.ts";
import type { Process } from "./process/process.ts";
import { requestsRuntime } from "./runtime/find-runtime.ts";
import type { SharedMount } from "./shared-mounts.ts";
import type { NamespaceSpec, Spec } from "./spec.ts";

/** Annotation with the id of the container that a new one debugs. */
const TARGET = "guestd.debug";
/** Annotation that makes the target's root writable in the new container if it is "true". */
const WRITABLE = "guestd.debug.writable";

/** Where a container finds the root of the one that it debugs. */
const TARGET_PATH = "/target";

/** Each container has these of its own. */
const OWN = new Set(["mount", "mnt", "cgroup"]);

export interface DebugTarget {
  readonly container: string;
  readonly writable: boolean;
}

/** The part of a container that debugging it needs. */
export type Debugged = Pick<Container, "id" | "spec"> & { readonly init: Pick<Process, "pid" | "status"> };

/** Returns the container that one with these annotations debugs; undefined if it debugs none. */
export function debugTarget(annotations: Readonly<Record<string, string>>): DebugTarget | undefined {
  const container = annotations[TARGET] ?? "";
  return container === "" ? undefined : { container, writable: annotations[WRITABLE] === "true" };
}

/** Returns the target's root, with all mounts below it, as a mount of the container that debugs it. */
export function targetMount({ container, writable }: DebugTarget): SharedMount {
  const paths = { sourcePath: "/", path: TARGET_PATH };
  return { name: `debug ${container}`, source: container, ...paths, isolated: writable ? "rw" : "ro" };
}

/**
 * Returns the spec with the target's namespaces, except mount and cgroup, in place of its own. The names of the host stay
 * the target's. Throws not-found without a running target. If the target ends meanwhile, and another process gets its pid,
 * mounting its root fails, which goes by pidfd, before the new container is started.
 */
export function joinTarget(spec: Spec, { container }: DebugTarget, target: Debugged | undefined): Spec {
  if (target === undefined || target.init.status !== undefined) {
    throw new AgentError("not-found", `debug container ${container.slice(0, 80)}: no container of this id runs`);
  }
  if (requestsRuntime(spec.annotations) || requestsRuntime(target.spec.annotations)) {
    throw new AgentError("invalid-argument", `debug container ${target.id}: unsupported with guestd.runtime`);
  }
  const { namespaces, uidMappings, gidMappings } = target.spec.linux;
  const joined = namespaces.filter(({ type }) => !OWN.has(type)).map(({ type }) => pathOf(target.init.pid, type));
  const own = spec.linux.namespaces.filter(({ type }) => OWN.has(type));
  const inTarget = { ...spec.linux, uidMappings, gidMappings, namespaces: [...own, ...joined] };
  return { ...spec, hostname: "", domainname: "", linux: inTarget };
}

function pathOf(pid: number, type: string): NamespaceSpec {
  return { type, path: `/proc/${pid}/ns/${type === "network" ? "net" : type}` };
}
