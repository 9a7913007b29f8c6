import type { grpc } from "../../proto/gen/messages.js";
import type { IdMapping, LinuxSpec, MountSpec } from "../container/spec.ts";

export function toMount(mount: grpc.Mount): MountSpec {
  const { destination, source, type, options, uidMappings, gidMappings } = mount;
  return {
    ...{ destination, source, type, options },
    ...(uidMappings.length === 0 ? {} : { uidMappings: toMappings(uidMappings) }),
    ...(gidMappings.length === 0 ? {} : { gidMappings: toMappings(gidMappings) }),
  };
}

/** Converts namespaces with their id maps and clock offsets, and the rootfs's mount propagation. */
export function toNamespaces(
  linux: grpc.Linux | null,
): Pick<LinuxSpec, "namespaces" | "uidMappings" | "gidMappings" | "timeOffsets" | "rootfsPropagation"> {
  if (linux === null) return { namespaces: [], rootfsPropagation: "" };
  const { UIDMappings: uids, GIDMappings: gids } = linux;
  const offsets = Object.entries(linux.TimeOffsets).map(
    ([clock, { Secs, Nanosecs }]) => [clock, { secs: Secs, nanosecs: Nanosecs }] as const,
  );
  return {
    namespaces: linux.Namespaces.map(({ Type, Path }) => ({ type: Type, path: Path })),
    ...(uids.length === 0 ? {} : { uidMappings: toMappings(uids) }),
    ...(gids.length === 0 ? {} : { gidMappings: toMappings(gids) }),
    ...(offsets.length === 0 ? {} : { timeOffsets: Object.fromEntries(offsets) }),
    rootfsPropagation: linux.RootfsPropagation,
  };
}

function toMappings(mappings: readonly grpc.LinuxIDMapping[]): IdMapping[] {
  return mappings.map(({ ContainerID, HostID, Size }) => ({ containerID: ContainerID, hostID: HostID, size: Size }));
}
