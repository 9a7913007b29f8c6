import { describe, expect, it } from "vitest";
import { checkProcess, processWarnings } from "../process/check-process.ts";
import { testSpec } from "../testing/test-spec.ts";
import { checkSpec } from "./check-spec.ts";

const process = testSpec().process;
const linux = testSpec().linux;
const scheduler = { policy: "", nice: 0, priority: 0, flags: [], runtime: 0, deadline: 0, period: 0 };
const mount = (options: string[], type = "tmpfs") => [{ destination: "/x", source: "x", type, options }];
const spaces = (...types: string[]) => ({ ...linux, namespaces: types.map((type) => ({ type, path: "" })) });

describe("a spec", () => {
  it("of an ordinary container is accepted", () => {
    expect(() => checkSpec(testSpec())).not.toThrow();
  });

  it.each([
    ["linux.namespaces", { linux: spaces("mount", "mnt") }],
    ["linux.namespaces", { linux: spaces("mount", "vm") }],
    ["linux.namespaces", { linux: spaces("uts") }],
    ["hostname", { hostname: "a", linux: spaces("mount") }],
    ["mounts[0] (/x)", { mounts: mount(["bind"]) }],
    ["mounts[0] (/x)", { mounts: mount(["mode=\0"]) }],
    ["process.scheduler.policy", { process: { ...process, scheduler: { ...scheduler, policy: "SCHED_ISO" } } }],
    ["process.rlimits", { process: { ...process, rlimits: [{ type: "RLIMIT_X", soft: 1n, hard: 1n }] } }],
    ["linux.personality.domain", { linux: { ...linux, personality: { domain: "BSD", flags: [] } } }],
    ["linux.personality.flags", { linux: { ...linux, personality: { domain: "LINUX", flags: ["x"] } } }],
    ['linux.sysctl "vm.swappiness"', { linux: { ...linux, sysctl: { "vm.swappiness": "1" } } }],
    ["domainname", { domainname: "a", linux: spaces("mount") }],
  ])("is refused in one line that names %s", (field, parts) => {
    expect(() => checkSpec(testSpec(parts))).toThrow(`OCI spec: ${field} `);
  });

  it.each([
    ["process.oomScoreAdj 1001 is outside -1000..1000", { process: { ...process, oomScoreAdj: 1001 } }],
    ["process.oomScoreAdj -1001 is outside -1000..1000", { process: { ...process, oomScoreAdj: -1001 } }],
    [
      "process.consoleSize 1x65536 is more than 65535",
      { process: { ...process, consoleSize: { height: 1, width: 65_536 } } },
    ],
    [
      "process.user.umask 01000 is more than 0777",
      { process: { ...process, user: { ...process.user, umask: 0o1000 } } },
    ],
    ["process.args is empty", { process: { ...process, args: [""] } }],
    ["process.args is empty", { process: { ...process, args: [] } }],
    ["root.path has a NUL byte in it", { root: { path: "/a\0b", readonly: false } }],
    ["hostname has a NUL byte in it", { hostname: "a\0b" }],
    ["domainname has a NUL byte in it", { domainname: "a\0b" }],
    ["linux.maskedPaths has a NUL byte in it", { linux: { ...linux, maskedPaths: ["/a", "/a\0b"] } }],
    ["linux.readonlyPaths has a NUL byte in it", { linux: { ...linux, readonlyPaths: ["/a", "/a\0b"] } }],
    ["linux.namespaces has a NUL byte in it", { linux: { ...linux, namespaces: [{ type: "mount", path: "/a\0" }] } }],
    ["linux.mountLabel has a NUL byte in it", { linux: { ...linux, mountLabel: "a\0" } }],
    ["process has a NUL byte in it", { process: { ...process, args: ["a\0b"] } }],
    ["process has a NUL byte in it", { process: { ...process, env: ["a\0b"] } }],
    ["process has a NUL byte in it", { process: { ...process, cwd: "/a\0b" } }],
    ["process.apparmorProfile has a NUL byte in it", { process: { ...process, apparmorProfile: "a\0" } }],
    ["process.selinuxLabel has a NUL byte in it", { process: { ...process, selinuxLabel: "a\0" } }],
    ['process.cwd "tmp" is not an absolute path', { process: { ...process, cwd: "tmp" } }],
    [
      "process.consoleSize 65536x1 is more than 65535",
      { process: { ...process, consoleSize: { height: 65_536, width: 1 } } },
    ],
    [
      "process.rlimits has RLIMIT_NOFILE twice",
      { process: { ...process, rlimits: [...process.rlimits, ...process.rlimits] } },
    ],
    [
      "process.rlimits RLIMIT_CPU has a soft limit of 2, above the hard limit of 1",
      { process: { ...process, rlimits: [{ type: "RLIMIT_CPU", soft: 2n, hard: 1n }] } },
    ],
    ["linux.x is not supported", { unsupported: ["linux.x", "linux.y"] }],
    ['root.path "rootfs" is not an absolute path', { root: { path: "rootfs", readonly: false } }],
  ])("is refused with the line: %s", (line, parts) => {
    expect(() => checkSpec(testSpec(parts))).toThrow(
      expect.objectContaining({ kind: "invalid-argument", message: `OCI spec: ${line}` }),
    );
  });

  it("is accepted at the limits of its fields", () => {
    const edges = { consoleSize: { height: 65_535, width: 65_535 }, user: { ...process.user, umask: 0o777 } };
    for (const oomScoreAdj of [-1000, 1000]) {
      expect(() => checkProcess({ ...process, ...edges, oomScoreAdj })).not.toThrow();
    }
    const rlimits = [{ type: "RLIMIT_CPU", soft: 2n, hard: 2n }];
    expect(() => checkProcess({ ...process, rlimits, env: [`PATH=${":".repeat(1023)}`] })).not.toThrow();
    expect(() => checkProcess({ ...process, env: [`PATH=${":".repeat(1024)}`] })).toThrow(
      "OCI spec: process.env PATH has 1025 directories, more than 1024",
    );
  });

  it("has one warning for each part that is ignored", () => {
    const capabilities = { bounding: ["CAP_MAGIC"], effective: [], permitted: [], inheritable: [], ambient: [] };
    const given = { ...process, capabilities, apparmorProfile: "docker-default" };
    expect(processWarnings(given, () => false)).toEqual([
      'OCI spec: process.capabilities "CAP_MAGIC" is unknown and is ignored',
      'OCI spec: process.apparmorProfile "docker-default" is ignored: it is not loaded in this guest',
    ]);
    expect(processWarnings({ ...process, apparmorProfile: "docker-default" }, () => true)).toEqual([]);
    for (const apparmorProfile of ["unconfined", ""]) {
      expect(processWarnings({ ...process, apparmorProfile }, () => false)).toEqual([]);
    }
    expect(processWarnings(process, () => false)).toEqual([]);
  });
});
