import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { arbitraryHooks } from "./arbitrary-hooks.ts";
import { arbitraryLinux } from "./arbitrary-linux.ts";
import { arbitraryMounts } from "./arbitrary-mounts.ts";
import { some } from "./arbitrary-parts.ts";
import { arbitraryProcess } from "./arbitrary-process.ts";
import { arbitraryResources } from "./arbitrary-resources.ts";
import type { SpecTemplate } from "./observer.ts";

const parts = fc.record({
  process: arbitraryProcess,
  mounts: arbitraryMounts,
  readonly: fc.boolean(),
  names: fc.record({ Hostname: fc.constantFrom("", "made"), Domainname: fc.constantFrom("", "its.domain") }),
  linux: arbitraryLinux,
  resources: some(arbitraryResources),
  CgroupsPath: fc.constantFrom("", "/of-hosts/kubepods/CGROUP", "/of-hosts/CGROUP/inner", "of-hosts.slice:kata:CGROUP"),
  hooks: some(arbitraryHooks),
  idmapped: some(
    fc.constantFrom(5000, 70_000).map((id) => idmappedBind("/made/ids", id)),
    4,
  ),
});

/** Returns an idmapped bind of a directory in the guest's root, whose file system supports it on every kernel. */
export function idmappedBind(destination: string, HostID: number): Init<grpc.Mount> {
  const ids = [{ ContainerID: 0, HostID, Size: 65_536 }];
  return { destination, source: "/etc", type: "bind", options: ["bind", "ro"], uidMappings: ids, gidMappings: ids };
}

/**
 * A spec with fields that crun 1.8 supports as well: it has no scheduler, ioPriority, execCPUAffinity, timeOffsets and
 * cpu.burst, and with a time namespace it fails and kills every process it can reach. Debian's runc has none of them
 * either. `limits` adds cgroup limits and idmapped mounts, which only a guest is sure to support. Host and domain names
 * are set only in the container's own uts namespace, because others would see them too.
 */
export function arbitrarySpec(limits: boolean): fc.Arbitrary<SpecTemplate> {
  return parts.map(({ process, readonly, names, linux, resources, hooks, CgroupsPath, ...given }): SpecTemplate => {
    const has = (type: string) => linux.Namespaces?.find(({ Type }) => Type === type);
    const inUser = has("user") !== undefined;
    const mounts = [...given.mounts, ...(limits && !inUser && given.idmapped !== undefined ? [given.idmapped] : [])];
    return {
      Version: "1.2.0",
      Process: process,
      Root: { Path: "ROOTFS", Readonly: readonly },
      ...(has("uts")?.Path !== undefined && !inUser ? names : {}),
      Mounts: inUser ? mountsInUser(mounts) : mounts,
      // With a user namespace crun 1.8 runs createContainer in the bundle, which that namespace's root can't enter.
      ...(hooks === undefined ? {} : { Hooks: inUser ? { ...hooks, CreateContainer: [] } : hooks }),
      Linux: { ...linux, CgroupsPath, ...(limits && resources !== undefined ? { Resources: resources } : {}) },
    };
  });
}

/**
 * Removes mounts of the pod's ipc namespace, over which the root of a user namespace has no power. Gives binds the type
 * "bind", because crun 1.8 otherwise drops their options.
 */
function mountsInUser(mounts: readonly Init<grpc.Mount>[]): Init<grpc.Mount>[] {
  const own = mounts.filter(({ type }) => type !== "mqueue");
  return own.map((mount) => (mount.type === "none" ? { ...mount, type: "bind" } : mount));
}
