import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfig, specFromJson } from "./config-json.ts";

test("names file, line and column of a syntax error", () => {
  const directory = mkdtempSync(join(tmpdir(), "config-json-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "config.json");
  writeFileSync(path, '{\n  "process": {\n    "args": [\n      "sleep",\n    ]\n  }\n}\n');
  expect(() => readConfig(path)).toThrow(`${path}:5:5: Unexpected token ']'`);
  expect(() => readConfig(join(directory, "none.json"))).toThrow(`${directory}/none.json: ENOENT: no such file`);
});

const config = {
  ociVersion: "1.2.0",
  process: {
    user: { uid: 1000, gid: 100, additionalGids: [5] },
    args: ["sh"],
    env: ["A=b"],
    cwd: "/",
    capabilities: { bounding: ["CAP_KILL"] },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 512 }],
    oomScoreAdj: -5,
  },
  root: { path: "rootfs", readonly: true },
  annotations: { a: "b" },
  linux: {
    uidMappings: [{ hostID: 0, containerID: 0, size: 1 }],
    sysctl: { "net.ipv4.ip_forward": "1" },
    resources: {
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] },
      memory: { disableOOMKiller: true },
    },
    seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["x"], action: "SCMP_ACT_ERRNO", errnoRet: 0 }] },
  },
};

test("converts a config.json to the message, matching names regardless of case", () => {
  const spec = specFromJson(config, "config.json");
  expect(spec.Version).toBe("1.2.0");
  expect(spec.Process).toMatchObject({ User: { UID: 1000, AdditionalGids: [5] }, OOMScoreAdj: -5 });
  expect(spec.Process?.Rlimits).toMatchObject([{ Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 512 }]);
  expect(spec.Linux?.UIDMappings).toMatchObject([{ HostID: 0, ContainerID: 0, Size: 1 }]);
  expect(spec.Linux?.Sysctl).toEqual({ "net.ipv4.ip_forward": "1" });
  expect(spec.Linux?.Resources?.BlockIO?.ThrottleReadBpsDevice).toMatchObject([{ Major: 8, Minor: 0, Rate: 1 }]);
  expect(spec.Linux?.Seccomp?.Syscalls[0]?.errnoret).toBe(0);
});

test("a device rule without numbers applies to all devices", () => {
  const devices = [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 136 },
    { allow: true, major: 8, minor: 0 },
  ];
  const spec = specFromJson({ linux: { resources: { devices } } }, "config.json");
  const numbers = spec.Linux?.Resources?.Devices.map(({ Major, Minor }) => [Major, Minor]);
  expect(numbers).toEqual([
    [-1, -1],
    [136, -1],
    [8, 0],
  ]);
});

test.each([
  [{ linux: { nonsense: 1 } }, "config.json: linux.nonsense is not a field that guestd knows"],
  [{ process: { args: "sh" } }, "config.json: process.args is not a list"],
  [{ process: { args: ["sh", 1] } }, "config.json: process.args[1] is not a string"],
  [{ process: { user: { uid: "0" } } }, "config.json: process.user.uid is not a number"],
  [{ process: { user: { uid: 1.5 } } }, "config.json: process.user.uid is not a whole number"],
  [{ process: { user: { uid: -1 } } }, "config.json: process.user.uid -1 is outside 0..4294967295"],
  [{ process: { user: { gid: 2 ** 32 } } }, "config.json: process.user.gid 4294967296 is outside 0..4294967295"],
  [
    { process: { rlimits: [{ soft: -1 }] } },
    "config.json: process.rlimits[0].soft -1 is outside 0..18446744073709551615",
  ],
  [
    { linux: { resources: { memory: { limit: 2 ** 63 } } } },
    "config.json: linux.resources.memory.limit 9223372036854775808 is outside -9223372036854775808..9223372036854775807",
  ],
  [
    { linux: { resources: { devices: [{ major: 0 }] } } },
    "config.json: linux.resources.devices[0].major is 0, which no device has",
  ],
  [
    { linux: { resources: { memory: { swappiness: 0 } } } },
    "config.json: linux.resources.memory.swappiness is 0; cgroup v2 has no swappiness",
  ],
  [
    { hooks: { poststop: [{ timeout: 0 }] } },
    "config.json: hooks.poststop[0].timeout is 0; a hook needs a positive timeout",
  ],
  [{ mounts: [{ destination: "/", options: [true] }] }, "config.json: mounts[0].options[0] is not a string"],
  [{ linux: [] }, "config.json: linux is not an object"],
  [[], "config.json: the top level is not an object"],
])("refuses %j with the name of its field", (json, message) => {
  expect(() => specFromJson(json, "config.json")).toThrow(message);
});

test("keeps 64-bit numbers exact, and reads no limit as 2^64-1", () => {
  const args = [9223372036854775809n, 18446744073709551614n, 2 ** 64].map((value) => ({ index: 0, value, op: "x" }));
  const seccomp = { defaultAction: "x", syscalls: [{ names: ["x"], action: "x", args }] };
  const rlimits = [{ type: "RLIMIT_CORE", soft: 18446744073709551615n, hard: 2 ** 64 }];
  const spec = specFromJson({ process: { rlimits }, linux: { seccomp } }, "config.json");
  const values = spec.Linux?.Seccomp?.Syscalls[0]?.Args.map(({ Value }) => Value);
  expect(values).toEqual(["9223372036854775809", "18446744073709551614", "18446744073709551615"]);
  expect(spec.Process?.Rlimits).toMatchObject([{ Soft: 2 ** 64, Hard: 2 ** 64 }]);
});

test("keeps the largest limit above all others", () => {
  const memory = { limit: 9223372036854775807n, swap: -1 };
  const { Linux } = specFromJson({ linux: { resources: { memory } } }, "config.json");
  expect(Linux?.Resources?.Memory).toMatchObject({ Limit: 2 ** 63, Swap: -1 });
});

test("distinguishes a device without permissions from one without a mode", () => {
  const devices = [{ fileMode: 0 }, { fileMode: 0o600 }, {}];
  const { Linux } = specFromJson({ linux: { devices } }, "config.json");
  expect(Linux?.Devices.map(({ FileMode }) => FileMode)).toEqual([0o170000, 0o600, 0]);
});

test("reports and skips an unknown property if the caller wants that", () => {
  const unknown: string[] = [];
  const spec = specFromJson({ hostname: "h", x: 1, linux: { y: 2 } }, "config.json", (field) => unknown.push(field));
  expect([spec.Hostname, unknown]).toEqual(["h", ["x", "linux.y"]]);
});
