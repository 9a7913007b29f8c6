import { expect, test } from "vitest";
import { CLONE_NEWNS } from "../kernel/constants.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { checkSharedMounts, isNamed, type MountOwner, shareMount } from "./shared-mounts.ts";
import { testKernel } from "./testing/test-kernel.ts";

leavesNoDescriptors();

const mount = { name: "m", source: "c1", sourcePath: "/srv dir/", path: "/there" };
const owner = (id: string, pid: number): MountOwner => ({ id, pid, pidfd: 1 });
const [source, target] = [owner("c1", 7), owner("c2", 9)];
const table = (text: string | undefined) => ({ files: { readAtMost: async () => text } });

const there = table("22 1 0:5 / /srv\\040dir rw - tmpfs t rw\n");

test("an existing mount is taken from one container to the other by a plan without capabilities to spare", async () => {
  const read: unknown[][] = [];
  const readAtMost = async (...args: unknown[]) => {
    read.push(args);
    return there.files.readAtMost();
  };
  const kernel = testKernel({ files: { readAtMost }, play: (child) => child.end() });
  await shareMount(kernel, mount, owner("c1", 8), target);
  expect(read).toEqual([["/proc/8/mountinfo", 1 << 20]]);
  const [child] = kernel.init.children;
  expect(child?.request.plan.filter(({ op }) => op !== "drop")).toEqual([
    { op: "setns", slot: 1, flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "open-tree", from: "root", path: "/srv dir/", recursive: true },
    { op: "setns", slot: 2, flags: CLONE_NEWNS },
    { op: "own-root" },
    { op: "attach", target: "/there", overProc: false },
    { op: "exit" },
  ]);
  expect(child?.request.plan[0]?.op).toBe("drop");
  expect(child?.request.reportSlot).toBe(0);
  expect(JSON.parse(child?.request.label ?? "")).toEqual({ container: "c2", exec: "c2", command: "share" });
  expect(kernel.init.calls).toContainEqual(["forget", child?.request.id]);
});

test.each([
  ["/", "/"],
  ["/a/", "/a"],
  ["/a//", "/a"],
  ["/t\tn\nb\\s s", "/t\\011n\\012b\\134s\\040s"],
])("the mount on %j is the one that the mount table calls %s", async (sourcePath, listed) => {
  const wait = (line: string) => {
    const kernel = testKernel({ ...table(line), play: (child) => child.end() });
    return shareMount(kernel, { ...mount, sourcePath }, source, target, undefined, 0);
  };
  await wait(`22 1 0:5 / ${listed} rw - tmpfs t rw\n`);
  for (const other of [`${listed}x`, `/x${listed}`]) {
    await expect(wait(`22 1 0:5 ${listed} ${other} rw - tmpfs ${listed} rw\n`)).rejects.toThrow("nothing was mounted");
  }
});

test("a mount that appears while it is waited for is taken", async () => {
  const tables = ["", "22 1 0:5 / /srv\\040dir rw - tmpfs t rw\n"];
  const kernel = testKernel({ files: { readAtMost: async () => tables.shift() }, play: (child) => child.end() });
  await shareMount(kernel, mount, source, target, undefined, 100);
  expect([kernel.init.children.length, tables]).toEqual([1, []]);
});

test("a mount that does not appear in time is reported with its container and the limit", async () => {
  const sharing = shareMount(
    testKernel(table("22 1 0:5 / /srv rw - tmpfs t rw\n")),
    mount,
    source,
    target,
    undefined,
    150,
  );
  const message = "shared mount m: nothing was mounted on /srv dir/ in container c1 within 0.15 s";
  await expect(sharing).rejects.toMatchObject({ kind: "internal", message });
});

test("a mount table that the container has made too long fails at once", async () => {
  const sharing = shareMount(testKernel(table(undefined)), mount, source, target);
  await expect(sharing).rejects.toThrow("shared mount m: the mount table of container c1 is longer than 1048576 bytes");
});

test("a container can be named by its id or by its name in the pod", () => {
  expect(isNamed("c1", {}, "c1")).toBe(true);
  for (const key of ["cri.container-name", "cri-o.ContainerName", "container.name"]) {
    expect(isNamed("c1", { [`io.kubernetes.${key}`]: "web" }, "web")).toBe(true);
  }
  expect(isNamed("c1", { other: "web" }, "web")).toBe(false);
});

test("a plan that fails is reported with the mount's name", async () => {
  const kernel = testKernel({
    ...there,
    play: (child) => child.report({ kind: "failed", index: 6, errno: 2, text: "" }),
  });
  await expect(shareMount(kernel, mount, source, target)).rejects.toMatchObject({
    message: "shared mount m: mount on /there: ENOENT (no such file or directory), from shared_mounts m",
    kind: "internal",
    cause: { kind: "internal" },
  });
});

test("the wait for a mount ends with its caller, or with its container", async () => {
  const aborted = AbortSignal.abort(new Error("deadline"));
  await expect(shareMount(testKernel(table("")), mount, source, target, aborted)).rejects.toThrow();
  const readAtMost = async () => {
    throw new Error("ENOENT");
  };
  const ended = shareMount(testKernel({ files: { readAtMost } }), mount, source, target, undefined, 0);
  await expect(ended).rejects.toThrow("nothing was mounted on /srv dir/ in container c1 within 0 s");
});

test("both paths are checked, and a good mount is accepted", () => {
  expect(() => checkSharedMounts([mount])).not.toThrow();
  for (const name of ["sourcePath", "path"]) {
    expect(() => checkSharedMounts([mount, { ...mount, [name]: "srv" }])).toThrow(
      expect.objectContaining({ message: 'shared mount m: path "srv" is not an absolute path' }),
    );
  }
});
