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
  hooks: some(arbitraryHooks),
});

/**
 * A spec over the fields that crun 1.8 carries too: it has no scheduler, ioPriority, execCPUAffinity, timeOffsets and
 * cpu.burst, and with a time namespace it fails and kills what it can reach. `limits`: with limits of the cgroup, which
 * only a guest has. A host name and a domain name are set in a uts namespace of the container's own, for others would
 * see them too.
 */
export function arbitrarySpec(limits: boolean): fc.Arbitrary<SpecTemplate> {
  return parts.map(({ process, mounts, readonly, names, linux, resources, hooks }): SpecTemplate => {
    const has = (type: string) => linux.Namespaces?.find(({ Type }) => Type === type);
    const inUser = has("user") !== undefined;
    return {
      Version: "1.2.0",
      Process: process,
      Root: { Path: "ROOTFS", Readonly: readonly },
      ...(has("uts")?.Path !== undefined && !inUser ? names : {}),
      Mounts: inUser ? mountsInUser(mounts) : mounts,
      // With a user namespace crun 1.8 runs createContainer in the bundle, where that namespace's root may not go.
      ...(hooks === undefined ? {} : { Hooks: inUser ? { ...hooks, CreateContainer: [] } : hooks }),
      Linux: { ...linux, ...(limits && resources !== undefined ? { Resources: resources } : {}) },
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
