import type { ResourcesSpec } from "./resources-spec.ts";

/**
 * The resources after an update: the values in `given` (0 and empty mean unset), otherwise the current ones. Lists are
 * replaced as a whole.
 */
export function mergeResources(now: ResourcesSpec, given: ResourcesSpec): ResourcesSpec {
  return {
    ...now,
    ...mergePart("memory", now.memory, given.memory),
    ...mergePart("cpu", now.cpu, given.cpu),
    ...mergePart("pids", now.pids, given.pids),
    ...mergePart("blockIO", now.blockIO, given.blockIO),
    ...mergePart("rdma", now.rdma, given.rdma),
    ...mergePart("unified", now.unified, given.unified),
    devices: given.devices ?? now.devices,
    ...(given.hugepageLimits === undefined
      ? {}
      : { hugepageLimits: mergeHugepages(now.hugepageLimits ?? [], given.hugepageLimits) }),
  };
}

/** Fields in which 0 is a value. */
const ZERO_COUNTS = new Set(["burst", "idle"]);

function mergePart<Name extends string, Part extends object>(
  name: Name,
  now: Part | undefined,
  given: Part | undefined,
): { [Key in Name]?: Part } {
  if (given === undefined) return {};
  const fields = Object.entries(given).filter(([key, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value) || ZERO_COUNTS.has(key),
  );
  return { [name]: { ...now, ...Object.fromEntries(fields) } } as { [Key in Name]?: Part };
}

type Hugepages = NonNullable<ResourcesSpec["hugepageLimits"]>;

function mergeHugepages(now: Hugepages, given: Hugepages): Hugepages {
  const sizes = new Set(given.map(({ pageSize }) => pageSize));
  return [...now.filter(({ pageSize }) => !sizes.has(pageSize)), ...given];
}
