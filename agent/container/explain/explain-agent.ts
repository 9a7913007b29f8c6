import { parseMountOptions } from "../mounts/mount-options.ts";
import { devptsOptions } from "../mounts/open-devpts.ts";
import { isIdmapped, mountSlot, ownMounts } from "../mounts/own-mounts.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import type { IdMapping, LinuxSpec, MountSpec, Spec } from "../spec.ts";
import type { ExplainedStep } from "./explain.ts";

/**
 * Returns the agent's own steps for a launch: the user namespace, mounts that root inside it can't create, the
 * terminal.
 */
export function explainAgent(spec: Spec): ExplainedStep[] {
  const { user } = sortNamespaces(spec.linux.namespaces);
  return [
    ...(user === "" ? explainUser(spec.linux.uidMappings, spec.linux.gidMappings, "linux.namespaces", "linux.") : []),
    ...[...ownMounts(spec)].flatMap(([index, kind]) => explainMount(spec, kind, index)),
    ...explainTerminal(spec),
  ];
}

function explainUser(
  uids: readonly IdMapping[] = [],
  gids: readonly IdMapping[] = [],
  reason: string,
  before: string,
): ExplainedStep[] {
  const write = (file: string, mappings: readonly IdMapping[]) => ({
    operation: "write",
    object: `${mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`).join(", ")} to ${file}`,
    reason: `${before}${file.replace("_map", "Mappings")}`,
  });
  return [
    { operation: "unshare", object: "new user, in a separate process", reason },
    write("uid_map", uids),
    write("gid_map", gids),
  ];
}

function explainMount({ mounts, linux }: Spec, kind: string, index: number): ExplainedStep[] {
  const mount = mounts[index];
  if (mount === undefined) return [];
  const reason = `mounts[${index}]`;
  const { recursive, idmap } = parseMountOptions(mount.options);
  const source = kind === "sysfs" ? "/sys" : mount.source;
  const isNew = kind === "devpts" || kind === "mqueue";
  const made = {
    operation: isNew ? "mount" : recursive ? "bind (recursive)" : "bind",
    object: `${isNew ? kind : source}${kind === "devpts" ? ` (${optionsText(mount, linux)})` : ""}, as ${mountSlot(index)}`,
    reason,
  };
  if (!isIdmapped(mount)) return [made];
  const { uidMappings = [], gidMappings } = mount;
  const own = uidMappings.length > 0 ? explainUser(uidMappings, gidMappings, reason, `${reason}.`) : [];
  const whose = own.length > 0 ? "by that user namespace" : "by the container's user namespace";
  const map = {
    operation: "idmap",
    object: `${mountSlot(index)} ${whose}${idmap === "ridmap" ? ", recursively" : ""}`,
    reason,
  };
  return [made, ...own, map];
}

function optionsText(mount: MountSpec, linux: LinuxSpec): string {
  return devptsOptions(mount, linux)
    .map((option) => option.join("="))
    .join(", ");
}

function explainTerminal({ process: { terminal, consoleSize } }: Spec): ExplainedStep[] {
  if (!terminal) return [];
  const open = { operation: "open", object: "a new pty, as terminal", reason: "process.terminal" };
  if (consoleSize === undefined) return [open];
  const { height, width } = consoleSize;
  return [open, { operation: "set size", object: `${height} rows, ${width} columns`, reason: "process.consoleSize" }];
}
