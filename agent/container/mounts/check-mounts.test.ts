import { describe, expect, it } from "vitest";
import { checkSpec } from "../plan/check-spec.ts";
import type { LinuxSpec, MountSpec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { mountWarnings } from "./check-mounts.ts";

const bind = (parts: Partial<MountSpec>): MountSpec[] => [
  { destination: "/m", source: "/s", type: "bind", options: ["rbind"], ...parts },
];
const range = [{ containerID: 0, hostID: 1, size: 1 }];
const never = { containerID: 0, hostID: 0, size: 1 };
const withMounts = (mounts: readonly MountSpec[]) => () => checkSpec(testSpec({ mounts }));
const withLinux = (linux: Partial<LinuxSpec>) => () =>
  checkSpec(testSpec({ linux: { ...testSpec().linux, ...linux } }));
const spaces = (...types: string[]) => types.map((type) => ({ type, path: "" }));

describe("an invalid spec is refused with a line that says", () => {
  it.each<[string, Partial<MountSpec>]>([
    ['option "copy-symlink" is not supported', { options: ["bind", "copy-symlink"] }],
    ['option "remount" can\'t be combined with recursive', { options: ["remount", "rslave"] }],
    ["covers /proc with something other than a proc file system", { destination: "proc/" }],
    ["covers /proc with something other than a proc file system", { destination: "/proc", type: "tmpfs", options: [] }],
    ["is inside /proc, where only a few files", { destination: "/x/../proc/sys" }],
    ["requests idmapping, but has no uidMappings", { options: ["rbind", "ridmap"] }],
    ["requests idmapping, which only a bind mount supports", { type: "tmpfs", options: ["idmap"] }],
    ["requests idmapping, which only a bind mount supports", { options: ["bind", "remount"], uidMappings: range }],
    ["gidMappings is empty", { uidMappings: range }],
    ["has no destination", { destination: "" }],
    ["has a NUL byte in it", { destination: "/a\0b" }],
    ["has a NUL byte in it", { source: "/a\0b" }],
    ["has a NUL byte in it", { type: "bind\0" }],
    ['option "tmpcopyup" is for a new tmpfs only', { options: ["rbind", "tmpcopyup"] }],
    ['option "tmpcopyup" is for a new tmpfs only', { type: "proc", options: ["tmpcopyup"] }],
    ['option "tmpcopyup" is for a new tmpfs only', { type: "tmpfs", options: ["remount", "tmpcopyup"] }],
    ['option "tmpcopyup" is for a new tmpfs only', { type: "tmpfs", options: ["bind", "tmpcopyup"] }],
    [
      'option "remount" can\'t be combined with recursive, propagation or idmap options',
      { options: ["remount", "rro"] },
    ],
    [
      'option "remount" can\'t be combined with recursive, propagation or idmap options',
      { options: ["remount", "rrw"] },
    ],
    [
      'option "remount" can\'t be combined with recursive, propagation or idmap options',
      { options: ["remount", "idmap"] },
    ],
    ["cgroup with bind is not supported", { type: "cgroup", options: ["bind"] }],
    ['bind source "s" is not an absolute path', { source: "s" }],
    ["covers /proc with something other than a proc file system", { destination: "/proc", source: "/process" }],
    [
      "uidMappings 4294967295 1 1 is not a valid id range",
      { uidMappings: [{ containerID: 2 ** 32 - 1, hostID: 1, size: 1 }] },
    ],
    [
      "uidMappings 0 4294967295 1 is not a valid id range",
      { uidMappings: [{ containerID: 0, hostID: 2 ** 32 - 1, size: 1 }] },
    ],
    ["uidMappings has 341 lines, more than 340", { uidMappings: Array.from({ length: 341 }, () => range[0] ?? never) }],
    ["uidMappings 0 1 0 is not a valid id range", { uidMappings: [{ containerID: 0, hostID: 1, size: 0 }] }],
  ])("%s", (text, mount) => {
    expect(withMounts(bind(mount))).toThrow(`OCI spec: mounts[0] (${mount.destination ?? "/m"}) ${text}`);
  });

  it.each<[string, Partial<LinuxSpec>]>([
    ["linux.uidMappings is empty", { namespaces: spaces("mount", "user"), gidMappings: range }],
    ["linux.gidMappings needs a user namespace", { gidMappings: range }],
    ["linux.uidMappings needs a user namespace", { uidMappings: range }],
    ["linux.gidMappings is empty", { namespaces: spaces("mount", "user"), uidMappings: range }],
    [
      "linux.gidMappings has no container id 0",
      {
        namespaces: [...spaces("mount"), { type: "user", path: "/u" }],
        gidMappings: [{ containerID: 1, hostID: 1, size: 1 }],
      },
    ],
    ...[
      { secs: 2 ** 53, nanosecs: 0 },
      { secs: 0.5, nanosecs: 0 },
      { secs: 1, nanosecs: 1e9 },
    ].map((offset): [string, Partial<LinuxSpec>] => [
      `linux.timeOffsets["boottime"] ${offset.secs} s ${offset.nanosecs} ns is out of range`,
      { namespaces: spaces("mount", "time"), timeOffsets: { boottime: offset } },
    ]),
    [
      "linux.uidMappings has no container id 0",
      {
        ...{ namespaces: spaces("mount", "user"), gidMappings: range },
        uidMappings: [{ containerID: 1, hostID: 1, size: 1 }],
      },
    ],
    ['linux.timeOffsets["monotonic"] needs a new time', { timeOffsets: { monotonic: { secs: 1, nanosecs: 0 } } }],
    [
      'linux.timeOffsets["realtime"] is not a clock',
      {
        ...{ namespaces: spaces("mount", "time"), timeOffsets: { realtime: { secs: 1, nanosecs: 0 } } },
      },
    ],
    ['linux.rootfsPropagation "rr" is not one of', { rootfsPropagation: "rr" }],
    ['linux.namespaces "mnt by path" is not supported', { namespaces: [{ type: "mnt", path: "/m" }] }],
  ])("%s", (text, linux) => {
    expect(withLinux({ ...linux })).toThrow(`OCI spec: ${text}`);
  });
});

describe("a valid mount", () => {
  it.each<Partial<MountSpec>>([
    { destination: "/proc/uptime" },
    { destination: "/proc", source: "/proc/" },
    { destination: "/process" },
    { options: ["bind", "sync", "dirsync", "nomand"] },
    { uidMappings: range, gidMappings: range },
    { destination: "/", options: ["remount", "ro"], source: "" },
    { destination: "/proc", options: ["remount", "ro"], type: "tmpfs" },
    { destination: "/proc", type: "proc", options: [] },
    { type: "tmpfs", options: ["tmpcopyup"] },
    {
      uidMappings: Array.from({ length: 340 }, (_, at) => ({ containerID: at, hostID: at, size: 1 })),
      gidMappings: range,
    },
    { uidMappings: [{ containerID: 2 ** 32 - 2, hostID: 2 ** 32 - 2, size: 1 }], gidMappings: range },
  ])("is accepted: %j", (mount) => {
    expect(withMounts(bind(mount))).not.toThrow();
  });
});

describe("limits", () => {
  it("allow 4096 mounts, and no more", () => {
    const many = (length: number) => Array.from({ length }, () => bind({})[0] ?? bind({})).flat();
    expect(withMounts(many(4096))).not.toThrow();
    expect(withMounts(many(4097))).toThrow("OCI spec: mounts has 4097 entries, more than 4096");
  });

  it("allow the largest offsets, and a user namespace by path that needs no maps", () => {
    const timeOffsets = { boottime: { secs: 2 ** 53 - 1, nanosecs: 999_999_999 } };
    expect(withLinux({ namespaces: spaces("mount", "time"), timeOffsets })).not.toThrow();
    expect(withLinux({ namespaces: [...spaces("mount"), { type: "user", path: "/u" }] })).not.toThrow();
    expect(withLinux({ namespaces: spaces("mount", "user"), uidMappings: range, gidMappings: range })).not.toThrow();
  });
});

describe("file system options", () => {
  const warnings = (parts: Partial<MountSpec>) => mountWarnings(bind(parts));

  it("are ignored for a bind mount, with one warning each", () => {
    const options = ["rbind", "ro", "size=1k", "sync", "mode=755"];
    expect(withMounts(bind({ options }))).not.toThrow();
    expect(warnings({ options })).toEqual([
      'OCI spec: mounts[0] (/m) option "size=1k" is ignored: a bind mount shares its source\'s file system',
      'OCI spec: mounts[0] (/m) option "mode=755" is ignored: a bind mount shares its source\'s file system',
    ]);
  });

  it("are ignored for a cgroup2 mount, which takes them from the guest", () => {
    expect(warnings({ type: "cgroup", options: ["ro", "name=x"] })).toEqual([
      'OCI spec: mounts[0] (/m) option "name=x" is ignored: cgroup2 takes its options from the guest',
    ]);
  });

  it("cause no warning for a mount that uses them", () => {
    expect(warnings({ type: "tmpfs", options: ["size=1k"] })).toEqual([]);
    expect(warnings({ options: ["remount", "size=1k"] })).toEqual([]);
  });
});
