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
    ["linux.seccomp", { unsupported: ["linux.seccomp"] }],
    ["root.path", { root: { path: "rootfs", readonly: false } }],
    ["linux.namespaces", { linux: spaces("mount", "mnt") }],
    ["linux.namespaces", { linux: spaces("mount", "vm") }],
    ["linux.namespaces", { linux: spaces("uts") }],
    ["hostname", { hostname: "a", linux: spaces("mount") }],
    ["mounts[0] (/x)", { mounts: mount(["bind"]) }],
    ["root.path", { root: { path: "/a\0b", readonly: false } }],
    ["mounts[0] (/x)", { mounts: mount(["mode=\0"]) }],
    ["linux.namespaces", { linux: { ...linux, namespaces: [...linux.namespaces, { type: "net", path: "/a\0" }] } }],
    ["linux.maskedPaths", { linux: { ...linux, maskedPaths: ["/a\0b"] } }],
    ["linux.readonlyPaths", { linux: { ...linux, readonlyPaths: ["/a\0b"] } }],
    ["hostname", { hostname: "a\0b" }],
    ["process.consoleSize", { process: { ...process, consoleSize: { height: 65_536, width: 80 } } }],
    ["process.user.umask", { process: { ...process, user: { ...process.user, umask: 0o1000 } } }],
    ["process.scheduler.policy", { process: { ...process, scheduler: { ...scheduler, policy: "SCHED_ISO" } } }],
    ["process.rlimits", { process: { ...process, rlimits: [{ type: "RLIMIT_X", soft: 1n, hard: 1n }] } }],
    ["process.rlimits RLIMIT_CPU", { process: { ...process, rlimits: [{ type: "RLIMIT_CPU", soft: 2n, hard: 1n }] } }],
    ["process.rlimits", { process: { ...process, rlimits: [...process.rlimits, ...process.rlimits] } }],
    ["process.apparmorProfile", { process: { ...process, apparmorProfile: "a\0" } }],
    ["process.selinuxLabel", { process: { ...process, selinuxLabel: "a\0" } }],
    ["linux.mountLabel", { linux: { ...linux, mountLabel: "a\0" } }],
    ["linux.personality.domain", { linux: { ...linux, personality: { domain: "BSD", flags: [] } } }],
    ["linux.personality.flags", { linux: { ...linux, personality: { domain: "LINUX", flags: ["x"] } } }],
    ['linux.sysctl "vm.swappiness"', { linux: { ...linux, sysctl: { "vm.swappiness": "1" } } }],
    ["domainname", { domainname: "a", linux: spaces("mount") }],
    ["process.args", { process: { ...process, args: [] } }],
    ["process.cwd", { process: { ...process, cwd: "tmp" } }],
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
  ])("is refused with the line: %s", (line, parts) => {
    expect(() => checkSpec(testSpec(parts))).toThrow(`OCI spec: ${line}`);
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

  it("is refused with too many directories in PATH", () => {
    const env = [`PATH=${":".repeat(5000)}`];
    expect(() => checkProcess({ ...process, args: ["sh"], env })).toThrow("OCI spec: process.env PATH has 5001");
  });

  it("is refused with a NUL byte in an argument, where execve would cut it off", () => {
    expect(() => checkProcess({ ...process, args: ["a\0b"] })).toThrow("NUL byte");
  });
});
