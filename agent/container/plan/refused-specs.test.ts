import { expect, test } from "vitest";
import type { ResourcesSpec } from "../cgroup/resources-spec.ts";
import type { ProcessSpec, Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { checkSpec } from "./check-spec.ts";

type Refusal = readonly [line: string, parts: Partial<Spec>];

const plain = testSpec();
const linux = (parts: Partial<Spec["linux"]>): Partial<Spec> => ({ linux: { ...plain.linux, ...parts } });
const resources = (parts: ResourcesSpec) => linux({ resources: parts });
const ofProcess = (parts: Partial<ProcessSpec>): Partial<Spec> => ({ process: { ...plain.process, ...parts } });
const sysctl = (name: string, value = "1") => linux({ sysctl: { [name]: value } });
const spaces = (...types: string[]) => types.map((type) => ({ type, path: "" }));
const mapping = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });
const timeOffsets = (clock: string, secs: number, nanosecs: number) =>
  linux({ namespaces: spaces("mount", "time"), timeOffsets: { [clock]: { secs, nanosecs } } });
const inUser = (uidMappings: ReturnType<typeof mapping>[]) =>
  linux({ namespaces: spaces("mount", "user"), uidMappings, gidMappings: [mapping(0, 1000, 1)] });

const NAMESPACES: Refusal[] = [
  ['linux.namespaces "vm" is not supported', linux({ namespaces: spaces("mount", "vm") })],
  ['linux.namespaces names "mnt" twice', linux({ namespaces: spaces("mount", "mnt") })],
  ["hostname needs a uts namespace", { hostname: "a", ...linux({ namespaces: spaces("mount") }) }],
  ["domainname needs a uts namespace", { domainname: "a", ...linux({ namespaces: spaces("mount") }) }],
  ["linux.namespaces has no mount namespace; a container needs one", linux({ namespaces: spaces("uts") })],
  [
    'linux.rootfsPropagation "all" is not one of shared, slave, private, unbindable',
    linux({ rootfsPropagation: "all" }),
  ],
  ["linux.uidMappings needs a user namespace", linux({ uidMappings: [mapping(0, 0, 1)] })],
  ["linux.uidMappings is empty", inUser([])],
  ["linux.uidMappings has no container id 0, which container set-up needs", inUser([mapping(1, 1000, 1)])],
  ["linux.uidMappings 0 1000 0 is not a valid id range", inUser([mapping(0, 1000, 0)])],
  ["linux.uidMappings 0 4294967295 1 is not a valid id range", inUser([mapping(0, 2 ** 32 - 1, 1)])],
  ["linux.uidMappings 4294967295 0 1 is not a valid id range", inUser([mapping(2 ** 32 - 1, 0, 1)])],
  ["linux.uidMappings has 341 lines, more than 340", inUser(new Array(341).fill(mapping(0, 1000, 1)))],
  [
    'linux.timeOffsets["monotonic"] needs a new time namespace',
    linux({ timeOffsets: { monotonic: { secs: 1, nanosecs: 0 } } }),
  ],
  [
    'linux.timeOffsets["realtime"] is not a clock of a time namespace; use monotonic or boottime',
    timeOffsets("realtime", 1, 0),
  ],
  ['linux.timeOffsets["boottime"] 1 s 1000000000 ns is out of range', timeOffsets("boottime", 1, 1_000_000_000)],
  ['linux.timeOffsets["boottime"] 0.5 s 0 ns is out of range', timeOffsets("boottime", 0.5, 0)],
];

const SYSCTLS: Refusal[] = [
  ['linux.sysctl "kernel" is not a name of /proc/sys', sysctl("kernel")],
  ['linux.sysctl "net/../kernel" is not a name of /proc/sys', sysctl("net/../kernel")],
  ['linux.sysctl "net/./core" is not a name of /proc/sys', sysctl("net/./core")],
  ['linux.sysctl "net/a b" is not a name of /proc/sys', sysctl("net/a b")],
  ['linux.sysctl "net.core.somaxconn" has a NUL byte in it', sysctl("net.core.somaxconn", "\0")],
  ['linux.sysctl "kernel.hostname" is set by the field "hostname"', sysctl("kernel.hostname")],
  ['linux.sysctl "vm.swappiness" does not belong to a namespace', sysctl("vm.swappiness")],
  [
    'linux.sysctl "kernel.shmmax" needs a namespace of its own: ipc',
    linux({ namespaces: spaces("mount"), sysctl: { "kernel.shmmax": "1" } }),
  ],
  [
    'linux.sysctl "fs.mqueue.msg_max" needs a namespace of its own: ipc',
    linux({ namespaces: spaces("mount"), sysctl: { "fs.mqueue.msg_max": "1" } }),
  ],
  [
    'linux.sysctl "kernel.domainname" needs a namespace of its own: uts',
    linux({ namespaces: spaces("mount"), sysctl: { "kernel.domainname": "a" } }),
  ],
];

const LIMITS: Refusal[] = [
  ["linux.resources.memory.limit -2 is negative; -1 is unlimited", resources({ memory: { limit: -2 } })],
  ["linux.resources.memory.swap -2 is negative; -1 is unlimited", resources({ memory: { limit: 9, swap: -2 } })],
  ["linux.resources.memory.swap 9 needs a memory.limit", resources({ memory: { swap: 9 } })],
  [
    "linux.resources.memory.swap 8 is less than memory.limit 9; it counts memory and swap together",
    resources({ memory: { limit: 9, swap: 8 } }),
  ],
  ["linux.resources.pids.limit -2 is negative; -1 is unlimited", resources({ pids: { limit: -2 } })],
  ["linux.resources.cpu.idle 2 is neither 0 nor 1", resources({ cpu: { idle: 2 } })],
  ['linux.resources.cpu.cpus "3-1" is not a list such as "0-3,8"', resources({ cpu: { cpus: "3-1" } })],
  ["linux.resources.blockIO.weight 1001 is outside 10..1000", resources({ blockIO: { weight: 1001 } })],
  ["linux.resources.rdma.mlx has neither hcaHandles nor hcaObjects", resources({ rdma: { mlx: {} } })],
  ['linux.resources.rdma "a/b" is not a device name', resources({ rdma: { "a/b": { hcaHandles: 1 } } })],
  [
    'linux.resources.hugepageLimits pageSize "2mb" is not a size such as "2MB"',
    resources({ hugepageLimits: [{ pageSize: "2mb", limit: 1 }] }),
  ],
  [
    'linux.resources.unified "cgroup.procs" is not a limit; guestd manages this file itself',
    resources({ unified: { "cgroup.procs": "1" } }),
  ],
  ...["memory", "../memory.max", "memory.max/", `memory.${"x".repeat(94)}`].map(
    (file): Refusal => [
      `linux.resources.unified ${JSON.stringify(file)} is not the name of a cgroup file`,
      resources({ unified: { [file]: "1" } }),
    ],
  ),
  ['linux.resources.unified "pids.max" has an empty value', resources({ unified: { "pids.max": "\n" } })],
  ['linux.resources.unified "pids.max" has a NUL byte in its value', resources({ unified: { "pids.max": "\0" } })],
  [
    "linux.resources has 1025 limits, more than 1024",
    resources({ unified: { "io.max": new Array(1025).fill("8:0 rbps=1").join("\n") } }),
  ],
];

const hook = { path: "/h", args: [], env: [], timeout: 1 };
const PROCESS: Refusal[] = [
  ['process.cwd "tmp" is not an absolute path', ofProcess({ cwd: "tmp" })],
  ["process.consoleSize 65536x1 is more than 65535", ofProcess({ consoleSize: { height: 65_536, width: 1 } })],
  [
    "process.rlimits has RLIMIT_NOFILE twice",
    ofProcess({ rlimits: [...plain.process.rlimits, ...plain.process.rlimits] }),
  ],
  [
    "process.rlimits RLIMIT_CPU has a soft limit of 2, above the hard limit of 1",
    ofProcess({ rlimits: [{ type: "RLIMIT_CPU", soft: 2n, hard: 1n }] }),
  ],
  ['linux.personality.domain "BSD" is not LINUX or LINUX32', linux({ personality: { domain: "BSD", flags: [] } })],
  [
    "linux.personality.flags has flags, but the OCI spec defines none yet",
    linux({ personality: { domain: "LINUX", flags: ["x"] } }),
  ],
  ['root.path "rootfs" is not an absolute path', { root: { path: "rootfs", readonly: false } }],
  ['hooks.poststop[1] path "h" is not an absolute path', { hooks: { poststop: [hook, { ...hook, path: "h" }] } }],
  ["hooks.prestart[0] has a NUL byte in it", { hooks: { prestart: [{ ...hook, env: ["A=\0"] }] } }],
  ["hooks.prestart[0] timeout 0 is not above zero", { hooks: { prestart: [{ ...hook, timeout: 0 }] } }],
  ["linux.intelRdt is not supported", { unsupported: ["linux.intelRdt"] }],
];

const OTHER = { policy: "SCHED_OTHER", nice: 0, priority: 0, flags: [], runtime: 0, deadline: 0, period: 0 };
const scheduler = (parts: Partial<ProcessSpec["scheduler"]>) => ofProcess({ scheduler: { ...OTHER, ...parts } });
const ioPriority = (name: string, priority: number) => ofProcess({ ioPriority: { class: name, priority } });
const SCHEDULING: Refusal[] = [
  ['process.scheduler.policy "SCHED_ISO" is not supported by Linux', scheduler({ policy: "SCHED_ISO" })],
  ["process.scheduler.nice 20 is outside -20..19", scheduler({ nice: 20 })],
  ["process.scheduler.nice -21 is outside -20..19", scheduler({ nice: -21 })],
  ["process.scheduler.priority 1 is for SCHED_FIFO and SCHED_RR, not SCHED_OTHER", scheduler({ priority: 1 })],
  [
    "process.scheduler.runtime 1 is for SCHED_DEADLINE, not SCHED_FIFO",
    scheduler({ policy: "SCHED_FIFO", priority: 1, runtime: 1 }),
  ],
  [
    "process.scheduler.period 9007199254740992 is more than 2^53 ns",
    scheduler({ policy: "SCHED_DEADLINE", period: 2 ** 53 }),
  ],
  ['process.scheduler.flags "SCHED_FLAG_X" is not supported by Linux', scheduler({ flags: ["SCHED_FLAG_X"] })],
  ['process.ioPriority.class "IOPRIO_CLASS_X" is not supported by Linux', ioPriority("IOPRIO_CLASS_X", 0)],
  ["process.ioPriority.priority -1 is outside 0..7", ioPriority("IOPRIO_CLASS_BE", -1)],
  ["process.ioPriority.priority 8 is outside 0..7", ioPriority("IOPRIO_CLASS_BE", 8)],
  [
    'process.execCPUAffinity.initial "x" is not a list of processors',
    ofProcess({ execCPUAffinity: { initial: "x", final: "" } }),
  ],
  [
    'process.execCPUAffinity.final "8192" is not a list of processors',
    ofProcess({ execCPUAffinity: { initial: "0-8191", final: "8192" } }),
  ],
];

const bind = { destination: "/m", source: "/s", type: "bind", options: ["bind"] };
const mounted = (parts: Partial<typeof bind>): Partial<Spec> => ({ mounts: [{ ...bind, ...parts }] });
const MOUNTS: Refusal[] = [
  ["mounts[0] () has no destination", mounted({ destination: "" })],
  ["mounts[0] (/m) has a NUL byte in it", mounted({ source: "/a\0" })],
  ['mounts[0] (/m) bind source "s" is not an absolute path', mounted({ source: "s" })],
  ["mounts[0] (/m) cgroup with bind is not supported", mounted({ type: "cgroup" })],
  ['mounts[0] (/m) option "tmpcopyup" is for a new tmpfs only', mounted({ options: ["bind", "tmpcopyup"] })],
  [
    'mounts[0] (/m) option "remount" can\'t be combined with recursive, propagation or idmap options',
    mounted({ options: ["remount", "rprivate"] }),
  ],
  ["mounts[0] (/proc/) covers /proc with something other than a proc file system", mounted({ destination: "/proc/" })],
  [
    "mounts[0] (/proc/keys) is inside /proc, where only a few files may be covered",
    mounted({ destination: "/proc/keys" }),
  ],
  [
    "mounts[0] (/m) requests idmapping, which only a bind mount supports",
    mounted({ type: "tmpfs", options: ["idmap"] }),
  ],
  [
    "mounts[0] (/m) requests idmapping, but has no uidMappings and the container has no user namespace",
    mounted({ options: ["bind", "idmap"] }),
  ],
  ["mounts has 4097 entries, more than 4096", { mounts: new Array(4097).fill(bind) }],
];

test.each([...NAMESPACES, ...SYSCTLS, ...LIMITS, ...PROCESS, ...SCHEDULING, ...MOUNTS])(
  "a spec is refused with: %s",
  (line, parts) => {
    const refused = expect.objectContaining({ kind: "invalid-argument", message: `OCI spec: ${line}` });
    expect(() => checkSpec(testSpec(parts))).toThrow(refused);
  },
);

test.each<[string, Partial<Spec>]>([
  ["the last id of a mapping", inUser([mapping(0, 2 ** 32 - 2, 1)])],
  ["as many mappings as the kernel takes", inUser(new Array(340).fill(mapping(0, 1000, 1)))],
  ["the longest fraction of a second", timeOffsets("monotonic", -1, 999_999_999)],
  ["a host's namespace for a mapping", linux({ namespaces: [...spaces("mount"), { type: "user", path: "/ns" }] })],
  ["a sysctl of the network", sysctl("net.ipv4.ip_forward")],
  [
    "as many limits as there may be",
    resources({ unified: { "io.max": new Array(1024).fill("8:0 rbps=1").join("\n") } }),
  ],
  ["swap of no more than the memory", resources({ memory: { limit: 9, swap: 9 } })],
  ["the name of a cgroup file of 100 bytes", resources({ unified: { [`memory.${"x".repeat(93)}`]: "1" } })],
  ["the least nice value", scheduler({ nice: -20 })],
  ["the greatest nice value", scheduler({ nice: 19 })],
  ["a priority for SCHED_RR", scheduler({ policy: "SCHED_RR", priority: 1 })],
  ["times for SCHED_DEADLINE", scheduler({ policy: "SCHED_DEADLINE", runtime: 1, deadline: 2, period: 2 ** 53 - 1 })],
  ["the highest I/O priority", ioPriority("IOPRIO_CLASS_RT", 0)],
  ["the lowest I/O priority", ioPriority("IOPRIO_CLASS_IDLE", 7)],
  ["as many mounts as there may be", { mounts: new Array(4096).fill(bind) }],
])("a spec with %s is accepted", (_, parts) => {
  expect(() => checkSpec(testSpec(parts))).not.toThrow();
});
