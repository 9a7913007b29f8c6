import { expect, test } from "vitest";
import { CLONE_NEWUSER } from "../../kernel/constants.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { hostId, openUserNamespace } from "./user-namespace.ts";

leavesNoDescriptors();

const MAPS = [
  { containerID: 0, hostID: 1000, size: 10 },
  { containerID: 100, hostID: 5000, size: 2 },
];

test.each([
  [0, 1000],
  [9, 1009],
  [10, undefined],
  [99, undefined],
  [100, 5000],
  [101, 5001],
  [102, undefined],
])("id %i inside is %s outside", (inside, outside) => {
  expect(hostId(MAPS, inside)).toBe(outside);
});

/** A process that plays the one in the new namespace is this one. */
function played(refused?: string) {
  const written: [string, string][] = [];
  const writeText = (path: string, text: string) => {
    written.push([path, text]);
    if (refused !== undefined && path.endsWith(refused)) throw Object.assign(new Error("write"), { code: "EINVAL" });
  };
  return { kernel: testKernel({ pid: process.pid, play: () => undefined, files: { writeText } }), written };
}

test("the maps are written in one piece each, and the process that made the namespace is forgotten", async () => {
  const { kernel, written } = played();
  const opening = openUserNamespace(kernel, MAPS, MAPS.slice(1));
  await expect.poll(() => kernel.init.children.length).toBe(1);
  const [child] = kernel.init.children;
  child?.report({ kind: "ready" });
  const fd = await opening;
  child?.end();
  kernel.sys.close(fd);
  expect(written).toEqual([
    [`/proc/${process.pid}/uid_map`, "0 1000 10\n100 5000 2\n"],
    [`/proc/${process.pid}/gid_map`, "100 5000 2\n"],
  ]);
  expect(child?.request.plan).toEqual([
    { op: "unshare", flags: CLONE_NEWUSER },
    { op: "wait", slot: 1 },
    { op: "exec", args: ["user-namespace"], env: [] },
  ]);
  expect(child?.request).toMatchObject({ reportSlot: 0, newPidNamespace: false, keep: {} });
  expect(JSON.parse(child?.request.label ?? "")).toEqual({
    container: "",
    exec: `user-namespace-${child?.request.id}`,
  });
  expect(kernel.init.calls).toEqual([["forget", child?.request.id]]);
});

test.each([
  ["uid_map", "linux.uidMappings"],
  ["gid_map", "linux.gidMappings"],
])("maps that the kernel refuses are named (%s)", async (file, field) => {
  const { kernel } = played(file);
  const opening = openUserNamespace(kernel, MAPS, MAPS);
  await expect.poll(() => kernel.init.children.length).toBe(1);
  kernel.init.children[0]?.report({ kind: "ready" });
  await expect(opening).rejects.toThrow(`OCI spec: ${field} are refused by the kernel: EINVAL`);
  kernel.init.children[0]?.end();
});

test("a kernel without user namespaces is said so, and a launch that fails leaves nothing", async () => {
  const { kernel } = played();
  const opening = openUserNamespace(kernel, MAPS, MAPS);
  await expect.poll(() => kernel.init.children.length).toBe(1);
  kernel.init.children[0]?.report({ kind: "failed", index: 0, errno: 28, text: "" });
  await expect(opening).rejects.toThrow("unshare user namespace: ENOSPC");
  kernel.init.children[0]?.end();
  kernel.init.refuse(new Error("no memory"));
  await expect(openUserNamespace(kernel, MAPS, MAPS)).rejects.toThrow("no memory");
});
