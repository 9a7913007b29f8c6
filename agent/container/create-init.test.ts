import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
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
