import { describe, expect, it } from "vitest";
import { checkSpec } from "../plan/check-spec.ts";
import type { LinuxSpec, MountSpec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { mountWarnings } from "./check-mounts.ts";

const bind = (parts: Partial<MountSpec>): MountSpec[] => [
  { destination: "/m", source: "/s", type: "bind", options: ["rbind"], ...parts },
];
const range = [{ containerID: 0, hostID: 1, size: 1 }];
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
    ["gidMappings is empty", { uidMappings: range }],
    ["uidMappings 0 1 0 is not a valid id range", { uidMappings: [{ containerID: 0, hostID: 1, size: 0 }] }],
  ])("%s", (text, mount) => {
    expect(withMounts(bind(mount))).toThrow(`OCI spec: mounts[0] (${mount.destination ?? "/m"}) ${text}`);
  });

  it.each<[string, Partial<LinuxSpec>]>([
    ["linux.uidMappings is empty", { namespaces: spaces("mount", "user"), gidMappings: range }],
    ["linux.gidMappings needs a user namespace", { gidMappings: range }],
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
  ])("is accepted: %j", (mount) => {
    expect(withMounts(bind(mount))).not.toThrow();
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
