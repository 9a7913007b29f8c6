import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { type TestKernel, testKernel } from "../../container/testing/test-kernel.ts";
import { testSpec } from "../../container/testing/test-spec.ts";
import { type Files, realFiles } from "../../kernel/files.ts";
import type { InitGreeting, Sys } from "../../kernel/kernel.ts";
import type { ChildDouble } from "../../kernel/testing/init-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { ContainerRequest } from "../container-request.ts";
import { Sandbox, type SandboxOptions } from "../sandbox.ts";

export const never = new AbortController().signal;
let directory = "";

/** Gives each test of the file an empty directory, and asserts that it leaves no descriptor open. */
export function inPodDirectory(): void {
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
}

/** Returns a path below the test's directory: cgroups are in `cgroup`, state files in `state`. */
export const inPod = (path: string) => join(directory, path);

export interface PodParts {
  readonly play?: (child: ChildDouble) => void;
  readonly files?: Partial<Files>;
  readonly sys?: Partial<Sys>;
  readonly greeting?: Partial<InitGreeting>;
  readonly options?: Partial<SandboxOptions>;
  readonly pid?: number;
}

export interface TestPod {
  readonly sandbox: Sandbox;
  readonly kernel: TestKernel;
  /** Targets of mounts (+) and unmounts (-), in order. */
  readonly mounts: string[];
}

/** Opens a sandbox as an agent does at its start. What it writes stays below the test's directory; mounts are only recorded. */
export function openPod(parts: PodParts = {}): TestPod {
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
    ...parts.sys,
  };
  const { play, greeting = {}, pid = process.pid } = parts;
  const kernel = testKernel({ play, greeting, pid, sys, files });
  const options = { stateDirectory: inPod("state"), pipeSize: 0, cgroupRoot: inPod("cgroup"), ...parts.options };
  return { sandbox: new Sandbox(kernel, options), kernel, mounts };
}

export async function makePod(parts: PodParts = {}): Promise<TestPod> {
  const pod = openPod(parts);
  await pod.sandbox.create(sandboxRequest());
  pod.mounts.length = 0;
  return pod;
}

export const sandboxRequest = () => ({
  ...{ id: "s", hostname: "h", dns: [], guestHookPath: "", storages: [], kernelModules: [] },
});

export const containerRequest = (id: string, parts: { args?: string[]; cgroupsPath?: string } = {}) => ({
  id,
  spec: testSpec({
    process: { ...testSpec().process, args: parts.args ?? ["sh"] },
    root: { path: inPod("rootfs"), readonly: false },
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
  sharedMounts: [] as ContainerRequest["sharedMounts"],
  sharePid: false,
});

export const recordPath = (id: string) => inPod(`state/containers/${id}.json`);
export const recordOf = (id: string) => JSON.parse(readFileSync(recordPath(id), "utf8"));

/** Ends each child that waits for no release, as hooks do. */
export function hooksEnd(child: ChildDouble): void {
  if (child.waits) child.report({ kind: "ready" });
  else {
    child.executed();
    child.end();
  }
}

/** Cgroups, state files and the storage's mounts. */
export const left = (mounts: readonly string[]) => [
  readdirSync(inPod("cgroup")).filter((name) => !name.includes(".")),
  readdirSync(inPod("state/containers")),
  mounts.filter((line) => line === "+/run/e").length - mounts.filter((line) => line === "-/run/e").length,
];

/** Removes the containers and the pod, and asserts that init keeps no descriptor of them. */
export async function endPod({ sandbox, kernel }: TestPod): Promise<void> {
  for (const { id } of sandbox.containers) await sandbox.removeContainer(id, never);
  await sandbox.destroy(never);
  for (const call of kernel.init.calls)
    if (call[0] === "deposit") expect(kernel.init.calls).toContainEqual(["withdraw", call[1]]);
}
