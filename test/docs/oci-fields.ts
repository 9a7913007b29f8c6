import { ctrRun } from "../plans/base-specs.ts";

/** A config.json as plain data. */
type Json = Readonly<Record<string, unknown>>;

/** The change that tests one field, and the values that both sides of the comparison have in common. */
interface Change {
  readonly to: unknown;
  readonly given: Readonly<Record<string, unknown>>;
}

const to = (value: unknown, given: Readonly<Record<string, unknown>> = {}): Change => ({ to: value, given });

const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const hook = (path: string) => [{ path, args: ["hook"], env: ["A=b"], timeout: 5 }];
const device = [{ path: "/dev/x", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 1, gid: 2 }];
const rule = [{ allow: false, type: "c", major: 10, minor: 229, access: "rw" }];
const weight = [{ major: 8, minor: 0, weight: 100 }];
const rate = [{ major: 8, minor: 0, rate: 1000 }];
const arg = [{ index: 0, value: 1, valueTwo: 2, op: "SCMP_CMP_MASKED_EQ" }];
const syscalls = [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: arg }];
const twoRanges = [{ containerID: 10, hostID: 200_000, size: 5 }, ...ids.map((all) => ({ ...all, size: 10 }))];
const inUser = {
  "linux.namespaces": [...ctrRun.linux.namespaces, { type: "user" }],
  "linux.uidMappings": twoRanges,
  "linux.gidMappings": twoRanges,
};
const clocks = (boottime: object) => ({
  "linux.namespaces": [...ctrRun.linux.namespaces, { type: "time" }],
  "linux.timeOffsets": { boottime },
});
const idmapped = { "mounts[0]": { destination: "/m", source: "/s", type: "bind", options: ["bind"] } };
const maps = { "mounts[0].uidMappings": ids, "mounts[0].gidMappings": ids };
const terminal = { "process.terminal": true, "process.consoleSize": { height: 30, width: 100 } };
const scheduler = (policy: string, more: Json = {}) => ({ "process.scheduler": { policy, ...more } });
const deadline = scheduler("SCHED_DEADLINE", { runtime: 10, deadline: 20, period: 30 });
const resources = (parts: Json) => ({ "linux.resources": parts });
const seccomp = (parts: Json = {}) => ({
  "linux.seccomp": { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"], syscalls, ...parts },
});
const capabilities = (parts: Json = {}) => ({ "process.capabilities": { bounding: ["CAP_KILL"], ...parts } });
const hooks = (kind: string) => ({ [`hooks.${kind}`]: hook("/a") });
const throttled = (name: string) => {
  const field = `linux.resources.blockIO.${name}`;
  const given = { [field]: rate };
  return {
    [`${field}[].major`]: to(9, given),
    [`${field}[].minor`]: to(1, given),
    [`${field}[].rate`]: to(2000, given),
  };
};

/**
 * Every field of the OCI runtime spec for Linux: version 1.2 (config.md, config-linux.md and their schema), the fields
 * of other platforms, and 1.3's additions for Linux. `[]` stands for each entry of a list, `*` for each name.
 */
export const OCI_FIELDS: Readonly<Record<string, Change>> = {
  ociVersion: to("2.0.0"),
  hostname: to("other"),
  domainname: to("example.org"),
  annotations: to({ colour: "green" }),
  "root.path": to("/other"),
  "root.readonly": to(true),

  "mounts[].destination": to("/other"),
  "mounts[].type": to("ramfs", { "mounts[0]": { destination: "/m", source: "s", type: "tmpfs", options: [] } }),
  "mounts[].source": to("other"),
  "mounts[].options": to(["ro"]),
  "mounts[].uidMappings[].containerID": to(1, { ...idmapped, ...maps }),
  "mounts[].uidMappings[].hostID": to(1, { ...idmapped, ...maps }),
  "mounts[].uidMappings[].size": to(1, { ...idmapped, ...maps }),
  "mounts[].gidMappings[].containerID": to(1, { ...idmapped, ...maps }),
  "mounts[].gidMappings[].hostID": to(1, { ...idmapped, ...maps }),
  "mounts[].gidMappings[].size": to(1, { ...idmapped, ...maps }),

  "process.terminal": to(true),
  "process.consoleSize.height": to(31, terminal),
  "process.consoleSize.width": to(101, terminal),
  "process.user.uid": to(1000),
  "process.user.gid": to(100),
  "process.user.umask": to(0o077),
  "process.user.additionalGids": to([5]),
  "process.user.username": to("ann"),
  "process.args": to(["ls"]),
  "process.commandLine": to("ls"),
  "process.env": to(["PATH=/bin", "A=b"]),
  "process.cwd": to("/srv"),
  "process.capabilities.bounding": to(["CAP_CHOWN"], capabilities()),
  "process.capabilities.effective": to(["CAP_KILL"], capabilities()),
  "process.capabilities.inheritable": to(["CAP_KILL"], capabilities()),
  "process.capabilities.permitted": to(["CAP_KILL"], capabilities()),
  "process.capabilities.ambient": to(
    ["CAP_KILL"],
    capabilities({ permitted: ["CAP_KILL"], inheritable: ["CAP_KILL"] }),
  ),
  "process.rlimits[].type": to("RLIMIT_NPROC"),
  "process.rlimits[].soft": to(1000),
  "process.rlimits[].hard": to(2000),
  "process.noNewPrivileges": to(false),
  "process.apparmorProfile": to("profile"),
  "process.oomScoreAdj": to(100),
  "process.selinuxLabel": to("user_u:role_r:type_t"),
  "process.scheduler.policy": to("SCHED_IDLE", scheduler("SCHED_BATCH")),
  "process.scheduler.nice": to(5, scheduler("SCHED_BATCH")),
  "process.scheduler.priority": to(2, scheduler("SCHED_FIFO", { priority: 1 })),
  "process.scheduler.flags": to(["SCHED_FLAG_RESET_ON_FORK"], scheduler("SCHED_BATCH")),
  "process.scheduler.runtime": to(11, deadline),
  "process.scheduler.deadline": to(21, deadline),
  "process.scheduler.period": to(31, deadline),
  "process.ioPriority.class": to("IOPRIO_CLASS_RT", {
    "process.ioPriority": { class: "IOPRIO_CLASS_BE", priority: 1 },
  }),
  "process.ioPriority.priority": to(2, { "process.ioPriority": { class: "IOPRIO_CLASS_BE", priority: 1 } }),
  "process.execCPUAffinity.initial": to("1"),
  "process.execCPUAffinity.final": to("1"),

  "hooks.prestart": to(hook("/b"), hooks("prestart")),
  "hooks.createRuntime": to(hook("/b"), hooks("createRuntime")),
  "hooks.createContainer": to(hook("/b"), hooks("createContainer")),
  "hooks.startContainer": to(hook("/b"), hooks("startContainer")),
  "hooks.poststart": to(hook("/b"), hooks("poststart")),
  "hooks.poststop": to(hook("/b"), hooks("poststop")),
  "hooks.*[].path": to("/b", { "hooks.*": hook("/a") }),
  "hooks.*[].args": to(["x"], { "hooks.*": hook("/a") }),
  "hooks.*[].env": to(["C=d"], { "hooks.*": hook("/a") }),
  "hooks.*[].timeout": to(6, { "hooks.*": hook("/a") }),

  "linux.namespaces[].type": to("network", { "linux.namespaces": [{ type: "ipc" }, { type: "mount" }] }),
  "linux.namespaces[].path": to("/run/ns", { "linux.namespaces": [{ type: "network" }, { type: "mount" }] }),
  "linux.uidMappings[].containerID": to(11, inUser),
  "linux.uidMappings[].hostID": to(1, inUser),
  "linux.uidMappings[].size": to(1, inUser),
  "linux.gidMappings[].containerID": to(11, inUser),
  "linux.gidMappings[].hostID": to(1, inUser),
  "linux.gidMappings[].size": to(1, inUser),
  "linux.timeOffsets.*.secs": to(2, clocks({ secs: 1, nanosecs: 0 })),
  "linux.timeOffsets.*.nanosecs": to(2, clocks({ secs: 1, nanosecs: 0 })),
  "linux.devices[].path": to("/dev/y", { "linux.devices": device }),
  "linux.devices[].type": to("b", { "linux.devices": device }),
  "linux.devices[].major": to(11, { "linux.devices": device }),
  "linux.devices[].minor": to(11, { "linux.devices": device }),
  "linux.devices[].fileMode": to(0, { "linux.devices": device }),
  "linux.devices[].uid": to(11, { "linux.devices": device }),
  "linux.devices[].gid": to(11, { "linux.devices": device }),
  "linux.netDevices": to({ eth0: { name: "eth1" } }),
  "linux.cgroupsPath": to("/other"),
  "linux.sysctl": to({ "net.ipv4.ip_forward": "1" }),
  "linux.rootfsPropagation": to("private"),
  "linux.maskedPaths": to(["/x"]),
  "linux.readonlyPaths": to(["/x"]),
  "linux.mountLabel": to("user_u:object_r:type_t"),
  "linux.personality.domain": to("LINUX32", { "linux.personality": { domain: "LINUX" } }),
  "linux.personality.flags": to(["x"], { "linux.personality": { domain: "LINUX" } }),
  "linux.memoryPolicy": to({ mode: "MPOL_BIND", nodes: "0" }),
  "linux.intelRdt": to({}),
  "linux.intelRdt.closID": to("x"),
  "linux.intelRdt.l3CacheSchema": to("L3:0=f"),
  "linux.intelRdt.memBwSchema": to("MB:0=20"),
  "linux.intelRdt.enableCMT": to(true),
  "linux.intelRdt.enableMBM": to(true),
  "linux.intelRdt.schemata": to(["L3:0=f"]),
  "linux.intelRdt.enableMonitoring": to(true),

  "linux.seccomp.defaultAction": to("SCMP_ACT_LOG", seccomp()),
  "linux.seccomp.defaultErrnoRet": to(2, seccomp({ defaultAction: "SCMP_ACT_ERRNO" })),
  "linux.seccomp.architectures": to(["SCMP_ARCH_X32"], seccomp()),
  "linux.seccomp.flags": to(["SECCOMP_FILTER_FLAG_LOG"], seccomp()),
  "linux.seccomp.listenerPath": to("/run/listener", seccomp()),
  "linux.seccomp.listenerMetadata": to("x", seccomp()),
  "linux.seccomp.syscalls[].names": to(["rmdir"], seccomp()),
  "linux.seccomp.syscalls[].action": to("SCMP_ACT_TRACE", seccomp()),
  "linux.seccomp.syscalls[].errnoRet": to(0, seccomp()),
  "linux.seccomp.syscalls[].args[].index": to(1, seccomp()),
  "linux.seccomp.syscalls[].args[].value": to(3, seccomp()),
  "linux.seccomp.syscalls[].args[].valueTwo": to(3, seccomp()),
  "linux.seccomp.syscalls[].args[].op": to("SCMP_CMP_EQ", seccomp()),

  "linux.resources.devices[].allow": to(true, resources({ devices: rule })),
  "linux.resources.devices[].type": to("b", resources({ devices: rule })),
  "linux.resources.devices[].major": to(11, resources({ devices: rule })),
  "linux.resources.devices[].minor": to(11, resources({ devices: rule })),
  "linux.resources.devices[].access": to("m", resources({ devices: rule })),
  "linux.resources.memory.limit": to(1 << 20),
  "linux.resources.memory.reservation": to(1 << 20),
  "linux.resources.memory.swap": to(2 << 20, resources({ memory: { limit: 1 << 20 } })),
  "linux.resources.memory.kernel": to(1 << 20),
  "linux.resources.memory.kernelTCP": to(1 << 20),
  "linux.resources.memory.swappiness": to(60),
  "linux.resources.memory.disableOOMKiller": to(true),
  "linux.resources.memory.useHierarchy": to(false),
  "linux.resources.memory.checkBeforeUpdate": to(true),
  "linux.resources.cpu.shares": to(512),
  "linux.resources.cpu.quota": to(20_000),
  "linux.resources.cpu.period": to(50_000),
  "linux.resources.cpu.burst": to(10_000),
  "linux.resources.cpu.realtimeRuntime": to(1000),
  "linux.resources.cpu.realtimePeriod": to(1000),
  "linux.resources.cpu.cpus": to("0"),
  "linux.resources.cpu.mems": to("0"),
  "linux.resources.cpu.idle": to(1),
  "linux.resources.pids.limit": to(10),
  "linux.resources.blockIO.weight": to(100),
  "linux.resources.blockIO.leafWeight": to(100),
  "linux.resources.blockIO.weightDevice[].major": to(9, { "linux.resources.blockIO.weightDevice": weight }),
  "linux.resources.blockIO.weightDevice[].minor": to(1, { "linux.resources.blockIO.weightDevice": weight }),
  "linux.resources.blockIO.weightDevice[].weight": to(200, { "linux.resources.blockIO.weightDevice": weight }),
  "linux.resources.blockIO.weightDevice[].leafWeight": to(200, { "linux.resources.blockIO.weightDevice": weight }),
  ...throttled("throttleReadBpsDevice"),
  ...throttled("throttleWriteBpsDevice"),
  ...throttled("throttleReadIOPSDevice"),
  ...throttled("throttleWriteIOPSDevice"),
  "linux.resources.hugepageLimits[].pageSize": to(
    "1GB",
    resources({ hugepageLimits: [{ pageSize: "2MB", limit: 1 }] }),
  ),
  "linux.resources.hugepageLimits[].limit": to(0, resources({ hugepageLimits: [{ pageSize: "2MB", limit: 1 }] })),
  "linux.resources.network.classID": to(1),
  "linux.resources.network.priorities[].name": to("eth0"),
  "linux.resources.network.priorities[].priority": to(2),
  "linux.resources.rdma.*.hcaHandles": to(0, resources({ rdma: { boottime: { hcaObjects: 1 } } })),
  "linux.resources.rdma.*.hcaObjects": to(0, resources({ rdma: { boottime: { hcaHandles: 1 } } })),
  "linux.resources.unified": to({ "memory.high": "4096" }),

  solaris: to({}),
  windows: to({}),
  vm: to({}),
  zos: to({}),
  freebsd: to({}),
};

/** Returns an ordinary config.json with the value at `path`. */
function put(config: Json, path: string, value: unknown): Json {
  const copy = structuredClone(config) as Record<string, unknown>;
  const keys = path.split(/\.|(?=\[)/).map((key) => (key === "[]" || key === "[0]" ? 0 : key));
  let at: Record<string | number, unknown> = copy;
  for (const [index, key] of keys.slice(0, -1).entries()) {
    at[key] ??= typeof keys[index + 1] === "number" ? [] : {};
    at = at[key] as Record<string | number, unknown>;
  }
  at[keys.at(-1) ?? ""] = value;
  return copy;
}

/** Returns the config.json without and with the change of a field. */
export function configsOf(path: string): readonly [before: Json, after: Json] {
  const change = OCI_FIELDS[path];
  if (change === undefined) throw new Error(`OCI_FIELDS has no field ${path}`);
  const concrete = (text: string) => text.replace("hooks.*", "hooks.poststop").replace(".*.", ".boottime.");
  const before = Object.entries(change.given).reduce<Json>(
    (config, [given, value]) => put(config, concrete(given), value),
    structuredClone(ctrRun) as unknown as Json,
  );
  return [before, put(before, concrete(path), change.to)];
}
