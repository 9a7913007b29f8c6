import { expect, test } from "vitest";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { checkSharedMounts, isNamed, shareMount } from "./shared-mounts.ts";
import { testKernel } from "./testing/test-kernel.ts";

leavesNoDescriptors();

const mount = { name: "m", source: "c1", sourcePath: "/srv dir/", path: "/there" };
const [source, target] = ["c1", "c2"].map((id) => ({ id, pid: 7, pidfd: 1 })) as [never, never];
const table = (text: string | undefined) => ({ files: { readAtMost: async () => text } });

test("an existing mount, by its escaped name in the mount table, is taken from one container to the other by a plan", async () => {
  const files = table("22 1 0:5 / /srv\\040dir rw - tmpfs t rw\n");
  const kernel = testKernel({ ...files, play: (child) => child.end() });
  await shareMount(kernel, mount, source, target);
  const [child] = kernel.init.children;
  expect(child?.request.plan.map(({ op }) => op)).toEqual([
    "drop",
    "setns",
    "own-root",
    "open-tree",
    "setns",
    "own-root",
    "attach",
    "exit",
  ]);
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
  await expect(sharing).rejects.toThrow(
    "shared mount m: nothing was mounted on /srv dir/ in container c1 within 0.15 s",
  );
});

test("a mount table that the container has made too long fails at once", async () => {
  const sharing = shareMount(testKernel(table(undefined)), mount, source, target);
  await expect(sharing).rejects.toThrow("shared mount m: the mount table of container c1 is longer than 1048576 bytes");
});

test("a container can be named by its id or by its name in the pod", () => {
  expect(isNamed("c1", {}, "c1")).toBe(true);
  expect(isNamed("c1", { "io.kubernetes.cri.container-name": "web" }, "web")).toBe(true);
  expect(isNamed("c1", { other: "web" }, "web")).toBe(false);
});

test("an invalid path is refused", () => {
  expect(() => checkSharedMounts([{ ...mount, path: "there" }])).toThrow('path "there" is not an absolute path');
});

test("a plan that fails is reported with the mount's name", async () => {
  const files = table("22 1 0:5 / /srv\\040dir rw - tmpfs t rw\n");
  const kernel = testKernel({
    ...files,
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
  expect(() => checkSharedMounts([{ ...mount, sourcePath: "srv" }])).toThrow('shared mount m: path "srv" is not');
});
