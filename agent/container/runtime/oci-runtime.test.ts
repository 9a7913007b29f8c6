import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AgentError } from "../../kernel/error.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Process } from "../process/process.ts";
import type { Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import type { RuntimeName } from "./find-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import type { ContainerOptions } from "./runtime.ts";
import { RuntimeDouble } from "./testing/runtime-double.ts";

leavesNoDescriptors();

const BUNDLE = "/run/guestd/bundles/c1";
const CGROUP = "/sys/fs/cgroup/pod/c1";
let root = "";
let double: RuntimeDouble;
let created: Process[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "oci-runtime-"));
  mkdirSync(join(root, CGROUP), { recursive: true });
  writeFileSync(join(root, CGROUP, "cgroup.kill"), "");
  double = new RuntimeDouble(root);
  created = [];
});
afterEach(() => {
  for (const process of created) process.destroy();
  rmSync(root, { recursive: true });
});

function runtimeOf(name: RuntimeName, spec: Partial<Spec> = {}, options: Partial<ContainerOptions> = {}) {
  const base = { id: "c1", spec: testSpec({ mounts: [], ...spec }), cgroup: CGROUP, pipeSize: 0 };
  return new OciRuntime(double.kernel, { ...base, ...options }, name);
}

async function create(...parts: Parameters<typeof runtimeOf>): Promise<Process> {
  const process = await runtimeOf(...parts).create(undefined);
  created.push(process);
  return process;
}

const names = () => double.calls.map(({ name }) => name);
const left = (path: string) => double.kernel.files.list(path).sort();

test("the runtime's command creates the container, and init adopts its process", async () => {
  const process = await create("crun");
  expect(double.calls.map(({ args }) => args)).toEqual([
    [
      "/usr/lib/guestd/runtimes/crun",
      ...["--cgroup-manager", "cgroupfs", "--root", "/run/guestd/runtimes/crun"],
      ...["--log", expect.stringMatching(/^\/run\/guestd\/bundles\/c1\/log-\d+$/), "--log-format=json"],
      ...["create", "--bundle", BUNDLE],
      ...["--pid-file", expect.stringMatching(/^\/run\/guestd\/bundles\/c1\/pid-\d+$/), "c1"],
    ],
  ]);
  const { label = "", cgroupSlot } = double.calls[0]?.child.request ?? {};
  expect(JSON.parse(label)).toEqual({ container: "c1", exec: "c1", command: "create" });
  expect(cgroupSlot).toBeUndefined();
  const { adopted } = double.kernel.init;
  expect(adopted).toMatchObject([{ pid: double.pid, label: '{"container":"c1","exec":"c1"}' }]);
  expect(Object.keys(adopted[0]?.keep ?? {}).sort()).toEqual(["release", "stderr", "stdin", "stdout"]);
  expect(process).toMatchObject({ execId: "c1", pid: double.pid });
});

test("the runtime reads the spec from a bundle that only root can enter", async () => {
  let config: Spec | undefined;
  double.onCall = (call) => {
    config = call.config();
    return 0;
  };
  await create("crun", { hostname: "web" });
  expect(config).toMatchObject({ hostname: "web", linux: { cgroupsPath: "/pod/c1" } });
  for (const path of [BUNDLE, "/run/guestd/runtimes/crun"]) {
    expect(statSync(join(root, path)).mode & 0o777).toBe(0o700);
  }
  expect(left(BUNDLE)).toEqual(["config.json"]);
});

test("the process inherits its stdio from the command", async () => {
  double.onCall = ({ child }) => {
    const [, stdin = -1, stdout = -1, stderr = -1] = child.slots;
    double.kernel.sys.write(stdout, Buffer.from("out"));
    double.kernel.sys.write(stderr, Buffer.from("err"));
    double.kernel.sys.setNonBlocking(stdin);
    expect(double.kernel.sys.read(stdin, new Uint8Array(1))).toBe(-1);
    return 0;
  };
  const process = await create("crun");
  const { signal } = new AbortController();
  for (const [name, text] of [
    ["stdout", "out"],
    ["stderr", "err"],
  ] as const) {
    expect(String(await process.output(name).read(10, signal))).toBe(text);
  }
});

test("bind sources are mounted for the runtime alone while it creates the container", async () => {
  const mount = { destination: "/data", type: "bind", source: root, options: ["rbind"] };
  double.onCall = (call) => {
    expect(call.config().mounts).toEqual([{ ...mount, source: "/run/guestd/sources/c1/0" }]);
    expect(left("/run/guestd/sources/c1")).toEqual(["0"]);
    return 0;
  };
  await create("crun", { mounts: [mount] });
  expect(left("/run/guestd/sources")).toEqual([]);
});

test("a creation that fails reports the runtime's reason and leaves nothing behind", async () => {
  double.fail("create");
  await expect(create("crun")).rejects.toThrow(/^crun create c1: create is broken$/);
  expect(readFileSync(join(root, CGROUP, "cgroup.kill"), "utf8")).toBe("1");
  expect(names()).toEqual(["create", "delete"]);
  expect(double.kernel.files.exists(BUNDLE)).toBe(false);
  expect(double.kernel.init.adopted).toEqual([]);
});

test("a creation that fails reports its own reason even if the clean-up fails too", async () => {
  double.onCall = ({ name }) => (name === "create" ? 7 : 8);
  await expect(create("crun")).rejects.toThrow(/^crun create c1: exit code 7$/);
});

test("a process that init can't adopt is cleaned up", async () => {
  Object.assign(double.kernel.init, { adopt: () => Promise.reject(new AgentError("internal", "no such orphan")) });
  await expect(create("crun")).rejects.toThrow(/^no such orphan$/);
  expect(names()).toEqual(["create", "delete"]);
});

test("a missing runtime is refused before anything is created", async () => {
  Object.assign(double.kernel.files, { exists: () => false });
  await expect(create("runc")).rejects.toThrow(/^runtime runc is not in this guest/);
  expect(names()).toEqual([]);
  expect(() => left("/run/guestd")).toThrow("ENOENT");
});

test.each([
  ["a part for another platform", { unsupported: ["windows"] }, "windows"],
  ["a mount label without SELinux", { linux: { ...testSpec().linux, mountLabel: "a:b" } }, 'linux.mountLabel "a:b"'],
])("%s is refused by name", async (_, spec: Partial<Spec>, field) => {
  await expect(create("runsc", spec)).rejects.toThrow(field);
  expect(names()).toEqual([]);
});

test("a runtime that sets limits gets those that the guest supports, another one gets all", async () => {
  const hugepageLimits = [{ pageSize: "2MB", limit: "4096" }];
  const linux = { ...testSpec().linux, resources: { hugepageLimits } } as unknown as Spec["linux"];
  const seen: unknown[] = [];
  double.onCall = (call) => {
    seen.push(call.config().linux.resources.hugepageLimits);
    return 0;
  };
  await create("crun", { linux });
  await create("runsc", { linux }, { cgroup: join(root, CGROUP) });
  expect(seen).toEqual([[], hugepageLimits]);
});

test("a runtime with its own device filter gets guestd's device rules", async () => {
  const seen: unknown[] = [];
  double.onCall = (call) => {
    seen.push(call.config().linux.resources.devices);
    return 0;
  };
  await create("crun");
  await create("runc");
  expect(seen).toEqual([undefined, [{ allow: false, type: "a", access: "rwm" }]]);
});

test.each([
  ["runsc", "", "the-pod"],
  ["runsc", "own", "own"],
  ["crun", "", undefined],
] as const)("a container of %s with the host name %j sees %j", async (name, hostname, seen) => {
  let config: Spec | undefined;
  double.onCall = (call) => {
    config = call.config();
    return 0;
  };
  await create(name, { hostname }, { podHostname: "the-pod", cgroup: join(root, CGROUP) });
  expect(config?.hostname).toBe(seen);
});

test("runsc itself runs in the container's cgroup, but a command that creates no process does not", async () => {
  const cgroups: unknown[] = [];
  double.onCall = ({ child }) => {
    const { cgroupSlot } = child.request;
    const fd = cgroupSlot === undefined ? undefined : child.slots[cgroupSlot];
    cgroups.push(fd === undefined ? fd : statSync(`/proc/self/fd/${fd}`).ino);
    return 0;
  };
  const cgroup = join(root, CGROUP);
  await create("runsc", {}, { cgroup });
  await runtimeOf("runsc", {}, { cgroup }).remove();
  expect(cgroups).toEqual([statSync(cgroup).ino, undefined]);
});

test("a removal deletes the container and its bundle, once", async () => {
  await create("crun");
  await runtimeOf("crun").remove();
  expect(double.calls.at(-1)?.args.slice(-3)).toEqual(["delete", "--force", "c1"]);
  expect(left("/run/guestd/bundles")).toEqual([]);
  await runtimeOf("crun").remove();
  expect(names()).toEqual(["create", "delete"]);
});

test("a removal that fails keeps the bundle for the next attempt", async () => {
  await create("crun");
  double.fail("delete");
  await expect(runtimeOf("crun").remove()).rejects.toThrow("crun delete c1: delete is broken");
  expect(left(BUNDLE)).toEqual(["config.json"]);
});
