import { DEFAULT_HOOK_TIMEOUT, HOOK_KINDS, type HookSpec, type HooksSpec } from "../container/hooks/hooks.ts";
import type { DeviceSpec, MountSpec, Spec } from "../container/spec.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import { AgentError } from "../kernel/error.ts";
import { type GuestDevice, guestRules } from "./guest-rules.ts";

/** runc's default. */
const DEFAULT_MODE = 0o666;

/**
 * Applies the edits of CDI devices to a spec, except for hooks. A variable, device or mount replaces one of the same name or path.
 * Device nodes belong to the container's user unless the CDI file names an owner; the file also sets their allowed access.
 */
export function withCdi(spec: Spec, edits: FoundEdits): Spec {
  const { process, linux } = spec;
  const { user } = process;
  const nodes = edits.nodes.map(
    ({ path, type, major, minor, mode = DEFAULT_MODE, uid = user.uid, gid = user.gid }): DeviceSpec => {
      return { path, type, major, minor, mode, uid, gid };
    },
  );
  const devices = replaced(linux.devices, nodes, ({ path }) => path);
  const binds = edits.mounts.map(({ from: _, ...mount }): MountSpec => mount);
  const mounts = replaced(spec.mounts, binds, ({ destination }) => destination);
  const origins = new Map<string, string>();
  for (const { path, from } of edits.nodes) {
    origins.set(`linux.devices[${devices.findIndex((device) => device.path === path)}]`, from);
  }
  for (const { destination, from } of edits.mounts) {
    origins.set(`mounts[${mounts.findIndex((mount) => mount.destination === destination)}]`, from);
  }
  const groups = new Set([...user.additionalGids, ...edits.gids.filter((gid) => gid !== 0)]);
  const env = replaced(process.env, edits.env, (line) => line.slice(0, line.indexOf("=")));
  const resources = { ...linux.resources, devices: guestRules(linux.resources.devices ?? [], cdiDevices(edits)) };
  return {
    ...spec,
    mounts,
    origins: Object.fromEntries(origins),
    process: { ...process, env, user: { ...user, additionalGids: [...groups] } },
    linux: { ...linux, devices, resources },
  };
}

/** Returns the device nodes, for the device rules of later updates. */
export function cdiDevices({ nodes }: FoundEdits): GuestDevice[] {
  return nodes.flatMap(({ type, major, minor, access }) =>
    type === "p" ? [] : [{ type: type === "u" ? "c" : type, major, minor, access }],
  );
}

/** Groups the hooks of CDI devices by kind. Throws for an unknown kind. */
export function cdiHooks({ hooks }: FoundEdits): HooksSpec | undefined {
  const byKind = new Map<string, HookSpec[]>();
  for (const { kind, path, args, env, timeout = DEFAULT_HOOK_TIMEOUT, from } of hooks) {
    if (!HOOK_KINDS.some((known) => known === kind)) {
      const shown = JSON.stringify(kind.slice(0, 80));
      throw new AgentError("internal", `${from}: hook ${shown} is none of ${HOOK_KINDS.join(", ")}`);
    }
    byKind.set(kind, [...(byKind.get(kind) ?? []), { path, args, env, timeout }]);
  }
  return byKind.size === 0 ? undefined : Object.fromEntries(byKind);
}

/** Returns the list without the items whose key occurs in `added`, then `added`; the last of several items with one key wins. */
function replaced<Item>(list: readonly Item[], added: readonly Item[], keyOf: (item: Item) => string): Item[] {
  const byKey = new Map(added.map((item) => [keyOf(item), item]));
  return [...list.filter((item) => !byKey.has(keyOf(item))), ...byKey.values()];
}
