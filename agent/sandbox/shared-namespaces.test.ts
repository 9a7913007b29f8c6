import { readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { type TestKernel, testKernel } from "../container/testing/test-kernel.ts";
import { CLONE_NEWIPC, CLONE_NEWUTS } from "../kernel/constants.ts";
import { realFiles } from "../kernel/files.ts";
import type { Sys } from "../kernel/kernel.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { createSharedNamespaces, removeSharedNamespaces, renameGuest } from "./shared-namespaces.ts";

leavesNoDescriptors();
const NAMES = new Map([
  [CLONE_NEWIPC, "ipc"],
  [CLONE_NEWUTS, "uts"],
]);

/** A kernel that records what is done to namespaces and to their paths instead of doing it. */
function recording(parts: Partial<Sys> = {}): { readonly kernel: TestKernel; readonly calls: string[] } {
  const calls: string[] = [];
  const sys = {
    umount: async (target: string) => void calls.push(`umount ${target}`),
    unshare: (flag: number) => void calls.push(`unshare ${NAMES.get(flag)}`),
    setns: (fd: number, flag: number) =>
      void calls.push(`setns ${NAMES.get(flag)} ${readlinkSync(`/proc/self/fd/${fd}`)}`),
    sethostname: (name: string) => void calls.push(`sethostname ${name}`),
    mount: async (source: string, target: string) => {
      const name = target.split("/").at(-1);
      expect(readlinkSync(source)).toBe(own(`${name}`));
      calls.push(`mount ${target}`);
    },
    ...parts,
  };
  const files = {
    ...realFiles,
    makeDirectory: (path: string) => void calls.push(`mkdir ${path}`),
    replace: (path: string) => void calls.push(`file ${path}`),
    removeTree: (path: string) => void calls.push(`remove ${path}`),
  };
  return { kernel: testKernel({ sys, files }), calls };
}

const own = (name: string) => readlinkSync(`/proc/thread-self/ns/${name}`);
const REMOVED = ["umount /run/sandbox-ns/ipc", "umount /run/sandbox-ns/uts", "remove /run/sandbox-ns"];

test("each namespace is bound to its path after the agent has returned to its own, and remains are removed first", async () => {
  const { kernel, calls } = recording();
  await createSharedNamespaces(kernel, "web");
  expect(calls).toEqual([
    ...REMOVED,
    "mkdir /run/sandbox-ns",
    ...["unshare ipc", `setns ipc ${own("ipc")}`, "file /run/sandbox-ns/ipc", "mount /run/sandbox-ns/ipc"],
    ...["unshare uts", "sethostname web", `setns uts ${own("uts")}`],
    ...["file /run/sandbox-ns/uts", "mount /run/sandbox-ns/uts"],
  ]);
});

test("a pod without a host name keeps the guest's", async () => {
  const { kernel, calls } = recording();
  await createSharedNamespaces(kernel, "");
  expect(calls.filter((call) => call.startsWith("sethostname"))).toEqual([]);
});

test("the agent returns to its own namespace if the host name can't be set", async () => {
  const sethostname = () => {
    throw new Error("EINVAL");
  };
  const { kernel, calls } = recording({ sethostname });
  await expect(createSharedNamespaces(kernel, "web")).rejects.toThrow("EINVAL");
  expect(calls.slice(-2)).toEqual(["unshare uts", `setns uts ${own("uts")}`]);
});

test("namespaces that aren't bound are removed without an error", async () => {
  const umount = () => Promise.reject(new Error("EINVAL"));
  const { kernel, calls } = recording({ umount });
  await removeSharedNamespaces(kernel);
  expect(calls).toEqual(["remove /run/sandbox-ns"]);
});

test("a new host name is the guest's and, if it exists, the pod's", () => {
  const { kernel, calls } = recording();
  renameGuest({ ...kernel, files: { ...kernel.files, exists: () => false } }, "clone");
  expect(calls).toEqual(["sethostname clone"]);
});
