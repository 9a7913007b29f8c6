import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestKernel, testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import { SystemError } from "../kernel/error.ts";
import { type Files, realFiles } from "../kernel/files.ts";
import type { ChildDouble } from "../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { Sandbox } from "./sandbox.ts";

const never = new AbortController().signal;
let directory = "";

leavesNoDescriptors();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-sandbox-"));
  for (const name of ["rootfs", "cgroup"]) mkdirSync(join(directory, name));
  for (const name of ["cgroup.controllers", "cgroup.subtree_control"])
    writeFileSync(join(directory, "cgroup", name), "");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Everything that is written stays below the test's directory; mounts are only recorded. */
async function makeSandbox(play?: (child: ChildDouble) => void, parts: { files?: Partial<Files>; pid?: number } = {}) {
  const mounts: string[] = [];
  const below = (path: string) => (path.startsWith("/run/") ? join(directory, path) : path);
  const files: Files = {
    ...realFiles,
    exists: (path) => path !== "/etc/resolv.conf" && realFiles.exists(below(path)),
    makeDirectory: (path, mode) => realFiles.makeDirectory(below(path), mode),
    replace: (path, text) => realFiles.replace(below(path), text),
    removeDirectory: (path) => realFiles.removeDirectory(below(path)),
    removeTree: (path) => realFiles.removeTree(below(path)),
    ...parts.files,
  };
  const sys = {
    mount: async (_source: string, target: string) => void mounts.push(`+${target}`),
    umount: async (target: string) => void mounts.push(`-${target}`),
    ...Object.fromEntries(["unshare", "setns", "sethostname"].map((name) => [name, () => undefined])),
  };
  const kernel = testKernel({ ...(play === undefined ? {} : { play }), pid: parts.pid ?? process.pid, sys, files });
  const sandbox = new Sandbox(kernel, options());
  await sandbox.create({ id: "s", hostname: "h", dns: [], guestHookPath: "", storages: [], kernelModules: [] });
  mounts.length = 0;
  return { sandbox, kernel, mounts };
}

const options = () => ({
  stateDirectory: join(directory, "state"),
  pipeSize: 0,
  cgroupRoot: join(directory, "cgroup"),
});

const request = (id: string, parts: { args?: string[]; cgroupsPath?: string } = {}) => ({
  id,
  spec: testSpec({
    process: { ...testSpec().process, args: parts.args ?? ["sh"] },
    root: { path: join(directory, "rootfs"), readonly: false },
    mounts: [],
    linux: { ...testSpec().linux, cgroupsPath: parts.cgroupsPath ?? "", namespaces: [{ type: "mount", path: "" }] },
  }),
  storages: [
    {
      driver: "ephemeral",
      driverOptions: [],
      source: "",
      fstype: "tmpfs",
      options: [],
      mountPoint: "/run/e/",
      shared: false,
    },
  ],
  sharedMounts: [],
  sharePid: false,
});

/** Cgroups, state files and the storage's mounts. */
const left = (mounts: readonly string[]) => [
  readdirSync(join(directory, "cgroup")).filter((name) => !name.includes(".")),
  readdirSync(join(directory, "state/containers")),
  mounts.filter((line) => line === "+/run/e").length - mounts.filter((line) => line === "-/run/e").length,
];

const end = async ({ sandbox, kernel }: { sandbox: Sandbox; kernel: TestKernel }) => {
  for (const { id } of sandbox.containers) await sandbox.removeContainer(id, never);
  await sandbox.destroy(never);
  for (const call of kernel.init.calls)
    if (call[0] === "deposit") expect(kernel.init.calls).toContainEqual(["withdraw", call[1]]);
};

test.each([
  ["h".repeat(80), "h".repeat(64)],
  ["é".repeat(40), "é".repeat(32)],
  [`h${"é".repeat(40)}`, `h${"é".repeat(31)}`],
])("a host name is cut to 64 bytes: %s", async (hostname, cut) => {
  const all = await makeSandbox();
  await all.sandbox.destroy(never);
  const names: string[] = [];
  all.kernel.sys.sethostname = (name) => void names.push(name);
  await all.sandbox.create({ id: "s", hostname, dns: [], guestHookPath: "", storages: [], kernelModules: [] });
  expect(names).toEqual([cut]);
  await end(all);
});

test("a removed container leaves nothing, and its id and cgroup are free", async () => {
  const all = await makeSandbox();
  await all.sandbox.createContainer(request("c1"));
  expect(left(all.mounts)).toEqual([["c1"], ["c1.json"], 1]);
  await all.sandbox.removeContainer("c1", never);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await all.sandbox.createContainer(request("c1"));
  await end(all);
});

test.each([
  ["the launch is refused", {}],
  ["its pid namespace can't be opened after the launch", { pid: 2 ** 22 + 1 }],
])("a creation of which %s leaves nothing", async (what, parts) => {
  const all = await makeSandbox(undefined, parts);
  if (what.includes("refused")) all.kernel.init.refuse(new Error("refused"));
  await expect(all.sandbox.createContainer(request("c1"))).rejects.toThrow(/refused|ENOENT/);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
  await end(all);
});

test("an unsupported spec is refused before anything is created", async () => {
  const all = await makeSandbox();
  const { spec, ...rest } = request("c1");
  const wrong = { ...rest, spec: { ...spec, unsupported: ["linux.intelRdt"] } };
  await expect(all.sandbox.createContainer(wrong)).rejects.toThrow("OCI spec: linux.intelRdt is not supported");
  expect(all.mounts.filter((line) => line.endsWith("/run/e"))).toEqual([]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await end(all);
});

test("an id that is in use, by a container or a creation, is refused", async () => {
  const all = await makeSandbox();
  const creating = all.sandbox.createContainer(request("c1"));
  const again = () => all.sandbox.createContainer(request("c1"));
  await expect(again()).rejects.toMatchObject({
    kind: "already-exists",
    message: "create container c1: the id already exists",
  });
  await creating;
  await expect(again()).rejects.toThrow("the id already exists");
  await end(all);
});

test("a creation that its caller cancels is rolled back", async () => {
  const all = await makeSandbox(() => {});
  const patience = new AbortController();
  const creating = all.sandbox.createContainer(request("c1"), patience.signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  patience.abort(new Error("deadline"));
  await expect(creating).rejects.toThrow("deadline");
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await end(all);
});

test("an update is written for the next agent, and a later removal leaves nothing", async () => {
  const all = await makeSandbox();
  await all.sandbox.createContainer(request("c1"));
  writeFileSync(join(directory, "cgroup/c1/pids.max"), "");
  all.sandbox.updateContainer("c1", { pids: { limit: 5 } });
  const { spec } = JSON.parse(readFileSync(join(directory, "state/containers/c1.json"), "utf8"));
  expect(spec.linux.resources).toEqual({ pids: { limit: 5 } });
  expect(all.sandbox.find("c1")?.spec.linux.resources).toEqual({ pids: { limit: 5 } });
  expect(() => all.sandbox.updateContainer("c1", { cpu: { shares: 7 } })).toThrow("set cpu.weight of cgroup");
  expect(all.sandbox.find("c1")?.spec.linux.resources).toEqual({ pids: { limit: 5 } });
  rmSync(join(directory, "cgroup/c1/pids.max"));
  await end(all);
  expect(left(all.mounts)).toEqual([[], [], 0]);
});

test("a cgroup can belong to one container only", async () => {
  const all = await makeSandbox();
  await all.sandbox.createContainer(request("c1", { cgroupsPath: "/same" }));
  await expect(all.sandbox.createContainer(request("c2", { cgroupsPath: "/same" }))).rejects.toThrow(
    /^create container c2: the cgroup \S+\/same is another container's$/,
  );
  expect(left(all.mounts)).toEqual([["same"], ["c1.json"], 1]);
  await end(all);
});

test("two concurrent removals both wait until everything is removed", async () => {
  const all = await makeSandbox();
  await all.sandbox.createContainer(request("c1"));
  await Promise.all([all.sandbox.removeContainer("c1", never), all.sandbox.removeContainer("c1", never)]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await expect(all.sandbox.removeContainer("c1", never)).rejects.toThrow('Invalid container id "c1"');
  await end(all);
});

test("a removal waits for a creation under way", async () => {
  const children: ChildDouble[] = [];
  const all = await makeSandbox((child) => void children.push(child));
  const creating = all.sandbox.createContainer(request("c1"));
  const removing = all.sandbox.removeContainer("c1", never);
  await expect.poll(() => children).toHaveLength(1);
  children[0]?.report({ kind: "ready" });
  await Promise.all([creating, removing]);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await end(all);
});

test("a container whose cgroup can't be removed yet can be removed later", async () => {
  const all = await makeSandbox();
  await all.sandbox.createContainer(request("c1"));
  writeFileSync(join(directory, "cgroup/c1/busy"), "");
  await expect(all.sandbox.removeContainer("c1", never)).rejects.toThrow(/^rmdir \S+c1: ENOTEMPTY/);
  rmSync(join(directory, "cgroup/c1/busy"));
  await all.sandbox.removeContainer("c1", never);
  expect(left(all.mounts)).toEqual([[], [], 0]);
  await end(all);
});

test("destroying the sandbox removes all containers, including those being created, and refuses new ones", async () => {
  const children: ChildDouble[] = [];
  const all = await makeSandbox((child) => void children.push(child));
  const creating = all.sandbox.createContainer(request("c1"));
  await expect.poll(() => children).toHaveLength(1);
  const ending = all.sandbox.destroy(never);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(all.sandbox.createContainer(request("c2"))).rejects.toThrow("the sandbox is being destroyed");
  children[0]?.report({ kind: "ready" });
  await Promise.all([creating, ending]);
  expect([left(all.mounts), all.sandbox.containers]).toEqual([[[], [], 0], []]);
});

test("a sandbox whose creation failed leaves nothing and can be created again", async () => {
  const mounted: string[] = [];
  const all = await makeSandbox();
  await all.sandbox.destroy(never);
  let failures = 1;
  all.kernel.sys.mount = async (_source, target) => {
    if (target === "/run/sandbox-ns/uts" && failures-- > 0) throw new SystemError("mount", 12, target);
    mounted.push(target);
  };
  const create = () =>
    all.sandbox.create({ id: "s2", hostname: "h", dns: [], guestHookPath: "", storages: [], kernelModules: [] });
  await expect(create()).rejects.toThrow("mount /run/sandbox-ns/uts: ENOMEM");
  expect(all.mounts).toContain("-/run/sandbox-ns/ipc");
  await create();
  expect(mounted).toEqual(["/run/sandbox-ns/ipc", "/run/sandbox-ns/ipc", "/run/sandbox-ns/uts"]);
  await all.sandbox.destroy(never);
  expect(existsSync(join(directory, "state/sandbox.json"))).toBe(false);
});

test("the pod can be destroyed once, even before it exists", async () => {
  const { sandbox, kernel } = await makeSandbox();
  await sandbox.destroy(never);
  await expect(sandbox.destroy(never)).rejects.toThrow("destroy sandbox: it is destroyed already");
  await new Sandbox(kernel, options()).destroy(never);
});
