import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { createInit } from "./create-init.ts";
import type { Spec } from "./spec.ts";
import { testKernel } from "./testing/test-kernel.ts";
import { testSpec } from "./testing/test-spec.ts";

let directory = "";

leavesNoDescriptors();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-create-"));
  for (const name of ["rootfs", "cgroup"]) mkdirSync(join(directory, name));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const spec = (parts: Partial<Spec["linux"]> = {}, root = join(directory, "rootfs")) =>
  testSpec({
    root: { path: root, readonly: false },
    mounts: [],
    linux: { ...testSpec().linux, namespaces: [{ type: "mount", path: "" }], ...parts },
  });
const create = (what: Spec, cgroup = join(directory, "cgroup"), kernel = testKernel()) =>
  createInit(kernel, { id: "c1", spec: what, cgroup, pipeSize: 0 });

test("a missing rootfs is reported with its path and errno", async () => {
  const missing = join(directory, "missing");
  await expect(create(spec({}, missing))).rejects.toThrow(`open ${missing}: ENOENT (no such file or directory)`);
});

test("a missing cgroup or namespace is reported with its path and errno", async () => {
  const missing = join(directory, "missing");
  await expect(create(spec(), missing)).rejects.toThrow(`open ${missing}: ENOENT`);
  const namespaces = [
    { type: "mount", path: "" },
    { type: "net", path: missing },
  ];
  await expect(create(spec({ namespaces }))).rejects.toThrow(`open ${missing}: ENOENT`);
});

test("a fifo in place of a namespace does not block the agent", async () => {
  const path = join(directory, "fifo");
  execFileSync("mkfifo", [path]);
  const kernel = testKernel();
  const namespaces = [
    { type: "mount", path: "" },
    { type: "net", path },
  ];
  const { process } = await create(spec({ namespaces }), undefined, kernel);
  process.destroy();
  kernel.init.children[0]?.end();
});

test("the child gets the slots and kept descriptors that the plan names", async () => {
  const kernel = testKernel();
  const { process, plan } = await create(spec(), undefined, kernel);
  const { request } = kernel.init.children[0] ?? {};
  expect(plan.slots).toEqual(["report", "cgroup", "stdin", "stdout", "stderr", "release"]);
  expect([request?.reportSlot, request?.cgroupSlot, request?.newPidNamespace]).toEqual([0, 1, false]);
  expect(Object.keys(request?.keep ?? {}).sort()).toEqual(["release", "report", "stderr", "stdin", "stdout"]);
  expect(JSON.parse(request?.label ?? "")).toEqual({ container: "c1", exec: "c1" });
  process.destroy();
  kernel.init.children[0]?.end();
});

/** Opens descriptors that play terminals and mounts. */
function descriptor() {
  const { sys } = testKernel();
  const { read, write } = sys.pipe();
  sys.close(write);
  return read;
}

test("a container with a terminal gets a pty instead of pipes", async () => {
  const terminalCalls = { openTerminal: descriptor, terminalPeer: descriptor, terminalNumber: () => 4 };
  const kernel = testKernel({ sys: terminalCalls });
  const withTerminal = { ...spec(), process: { ...spec().process, terminal: true } };
  const { process, plan } = await create(withTerminal, undefined, kernel);
  expect(plan.slots).toContain("terminal");
  expect(Object.keys(kernel.init.children[0]?.request.keep ?? {}).sort()).toEqual(["release", "report", "terminal"]);
  process.destroy();
  kernel.init.children[0]?.end();
});

test("the pod's pid namespace is the one that init forks into", async () => {
  const namespaces = [
    { type: "mount", path: "" },
    { type: "pid", path: "/proc/self/ns/pid" },
  ];
  const kernel = testKernel();
  const { process, plan } = await create(spec({ namespaces }), undefined, kernel);
  const [child] = kernel.init.children;
  expect([child?.request.pidNamespaceSlot, child?.request.newPidNamespace]).toEqual([plan.slots.indexOf("pid"), false]);
  expect(statSync(`/proc/self/fd/${child?.slots[plan.slots.indexOf("pid")]}`).ino).toBe(
    statSync("/proc/self/ns/pid").ino,
  );
  process.destroy();
  child?.end();
});

test("the plan installs the spec's seccomp filter, and sets HOME from the rootfs", async () => {
  mkdirSync(join(directory, "rootfs/etc"));
  writeFileSync(join(directory, "rootfs/etc/passwd"), "root:x:0:0:root:/home/of/root:/bin/sh\n");
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] };
  const kernel = testKernel();
  const { process, plan } = await create(spec({ seccomp }), undefined, kernel);
  expect(plan.steps.filter(({ op }) => op.op === "seccomp")).toHaveLength(1);
  const last = plan.steps.at(-1)?.op;
  expect(last?.op === "exec" && last.env).toContain("HOME=/home/of/root");
  process.destroy();
  kernel.init.children[0]?.end();
});

test("the plan has plain paths in the guest, in which a link that a container may have made stays for init to refuse", async () => {
  symlinkSync(join(directory, "rootfs"), join(directory, "link"));
  const given = `${directory}/./rootfs//../link`;
  const mounts = [{ destination: "/x", type: "bind", source: given, options: ["bind"] }];
  const kernel = testKernel();
  const { process, plan } = await create({ ...spec({}, given), mounts }, undefined, kernel);
  process.destroy();
  kernel.init.children[0]?.end();
  const paths = plan.steps.flatMap(({ op }) => (op.op === "open-tree" ? [op.path] : []));
  expect(paths).toEqual([join(directory, "link"), join(directory, "link")]);
});

test("hooks of a create run while the init process waits, with its pid", async () => {
  const hook = { path: "/hook", args: [], env: [], timeout: 10 };
  const states: unknown[] = [];
  const kernel = testKernel({
    play: (child) => {
      if (child.waits) return child.report({ kind: "ready" });
      const fd = openSync(`/proc/self/fd/${child.slots[1]}`, "r");
      states.push(JSON.parse(readFileSync(fd, "utf8")));
      closeSync(fd);
      kernel.init.children[0]?.report({ kind: "ready" });
      child.executed();
      child.end();
    },
  });
  const { process } = await create({ ...spec(), hooks: { prestart: [hook] } }, undefined, kernel);
  expect(states).toMatchObject([{ id: "c1", status: "creating", pid: process.pid }]);
  process.destroy();
  kernel.init.children[0]?.end();
});

test("shared propagation keeps the mount that holds the rootfs private, which is found in the mount table", async () => {
  const readText = (path: string) =>
    path === "/proc/self/mountinfo" ? `22 1 0:5 / / rw - ext4 t rw\n23 22 0:5 / ${directory} rw - tmpfs t rw\n` : "";
  const kernel = testKernel({ files: { readText } });
  const { process, plan } = await create(spec({ rootfsPropagation: "rshared" }), undefined, kernel);
  expect(plan.steps.map(({ op }) => op)).toContainEqual({ op: "propagate", path: directory, flags: 1 << 18 });
  process.destroy();
  kernel.init.children[0]?.end();
});

test.each([
  ["a new user namespace, made with the container's maps", ""],
  ["a user namespace by path", "/proc/self/ns/user"],
])("the plan gets %s", async (_, path) => {
  const maps = [{ containerID: 0, hostID: 0, size: 10 }];
  const written: string[] = [];
  const kernel = testKernel({
    pid: process.pid,
    play: (child) => child.report({ kind: "ready" }),
    files: { writeText: (file) => void written.push(file) },
  });
  const namespaces = [
    { type: "mount", path: "" },
    { type: "user", path },
  ];
  const made = await create(
    spec({ namespaces, ...(path === "" && { uidMappings: maps, gidMappings: maps }) }),
    undefined,
    kernel,
  ).catch((error: Error) => error);
  expect(written).toEqual(path === "" ? ["uid_map", "gid_map"].map((file) => `/proc/${process.pid}/${file}`) : []);
  expect(kernel.init.children).toHaveLength(path === "" ? 2 : 1);
  const slot = made instanceof Error ? -1 : made.plan.slots.indexOf("ns:user");
  const last = kernel.init.children.at(-1);
  expect(statSync(`/proc/self/fd/${last?.slots[slot]}`).ino).toBe(statSync("/proc/self/ns/user").ino);
  if (!(made instanceof Error)) made.process.destroy();
  for (const child of kernel.init.children) child.end();
});

describe("a bind mount whose source does not exist", () => {
  const bind = (source: string) => ({
    ...spec(),
    mounts: [{ destination: "/x", type: "bind", source, options: ["bind"] }],
  });
  const missing = new SystemError("bind /x", 2, "");

  test("gets a new directory as its source, and the container is launched again", async () => {
    const kernel = testKernel();
    kernel.init.refuse(missing);
    const { process } = await create(bind(join(directory, "a/b")), undefined, kernel);
    expect(statSync(join(directory, "a/b")).isDirectory()).toBe(true);
    expect(kernel.init.children).toHaveLength(1);
    process.destroy();
    kernel.init.children[0]?.end();
  });

  test("causes no second launch if the failure has another cause", async () => {
    const kernel = testKernel();
    kernel.init.refuse(new SystemError("pivot_root", 2, ""));
    await expect(create(bind(join(directory, "a/b")), undefined, kernel)).rejects.toThrow("pivot_root");
    expect(existsSync(join(directory, "a"))).toBe(false);
    expect(kernel.init.children).toHaveLength(0);
  });

  test("fails with the first launch's error if the second one fails too", async () => {
    const kernel = testKernel();
    kernel.init.refuse(missing);
    kernel.init.refuse(missing);
    await expect(create(bind(join(directory, "a/b")), undefined, kernel)).rejects.toThrow("bind /x: ENOENT");
    expect(kernel.init.children).toHaveLength(0);
  });
});

test("the process has the seccomp filter of its spec, and none without one", async () => {
  const seccomp = { defaultAction: "SCMP_ACT_ERRNO", architectures: [], flags: [], syscalls: [] };
  for (const [parts, filters] of [
    [{ seccomp }, 1],
    [{}, 0],
  ] as const) {
    const kernel = testKernel();
    const { process } = await create(spec(parts), undefined, kernel);
    const [child] = kernel.init.children;
    expect(child?.request.plan.filter(({ op }) => op === "seccomp")).toHaveLength(filters);
    process.destroy();
    child?.end();
  }
});
