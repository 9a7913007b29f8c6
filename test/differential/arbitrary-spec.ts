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

/** Of a directory of the guest's root, whose file system has such on every kernel. */
export function idmappedBind(destination: string, HostID: number): Init<grpc.Mount> {
  const ids = [{ ContainerID: 0, HostID, Size: 65_536 }];
  return { destination, source: "/etc", type: "bind", options: ["bind", "ro"], uidMappings: ids, gidMappings: ids };
}

/**
 * A spec over the fields that crun 1.8 carries too: it has no scheduler, ioPriority, execCPUAffinity, timeOffsets and
 * cpu.burst, and with a time namespace it fails and kills what it can reach; Debian's runc has none of them either. `limits`:
 * with limits of the cgroup and idmapped mounts, which only a guest surely has. A host name and a domain name are set in a uts namespace of the container's own, for others would
 * see them too.
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
      // With a user namespace crun 1.8 runs createContainer in the bundle, where that namespace's root may not go.
      ...(hooks === undefined ? {} : { Hooks: inUser ? { ...hooks, CreateContainer: [] } : hooks }),
      Linux: { ...linux, CgroupsPath, ...(limits && resources !== undefined ? { Resources: resources } : {}) },
    };
  });
}

/**
 * Without what is of the pod's ipc namespace, which the root of a user namespace has no power over. Binds have the type
 * of binds there: of others crun 1.8 forgets the options.
 */
function mountsInUser(mounts: readonly Init<grpc.Mount>[]): Init<grpc.Mount>[] {
  const own = mounts.filter(({ type }) => type !== "mqueue");
  return own.map((mount) => (mount.type === "none" ? { ...mount, type: "bind" } : mount));
}
