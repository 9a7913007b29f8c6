import { expect, test } from "vitest";
import { testKernel } from "../container/testing/test-kernel.ts";
import { testSpec } from "../container/testing/test-spec.ts";
import type { ExitStatus } from "../kernel/kernel.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { type MountSharer, shareMounts } from "./share-mounts.ts";

leavesNoDescriptors();

const ENDED: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
const mount = { name: "data", source: "db", sourcePath: "/data", path: "/mnt" };

/** A container whose first process has this pid, and init's socket as its pidfd. */
const sharer = (id: string, pid: number, name = "", status?: ExitStatus): MountSharer => ({
  id,
  init: { pid, pidfd: 1, status },
  spec: testSpec({ annotations: { "io.kubernetes.cri.container-name": name } }),
});

/** A kernel whose child attaches the mounts, with the pids whose mount tables were read. */
function attaching() {
  const tables: string[] = [];
  const readAtMost = async (path: string) => {
    tables.push(path);
    return "1 2 0:1 / /data rw - tmpfs tmpfs rw\n";
  };
  const kernel = testKernel({
    files: { readAtMost },
    play: (child) => {
      child.executed();
      child.end();
    },
  });
  return { kernel, tables };
}

test("a mount of another container, found by its id or its name in the pod, is attached to the new one", async () => {
  const { kernel, tables } = attaching();
  const all = [sharer("other", 40), sharer("c1", 41, "db"), sharer("db", 42)];
  await shareMounts(kernel, [mount, { ...mount, name: "more", source: "other" }], sharer("new", 43), all);
  expect(tables).toEqual(["/proc/41/mountinfo", "/proc/40/mountinfo"]);
  expect(kernel.init.children.map(({ request }) => JSON.parse(request.label))).toMatchObject([
    { container: "new" },
    { container: "new" },
  ]);
});

test.each([
  ["an unknown container", []],
  ["an ended container", [sharer("db", 41, "", ENDED)]],
])("a mount of %s is refused", async (_, all) => {
  const { kernel } = attaching();
  await expect(shareMounts(kernel, [mount], sharer("new", 43), all)).rejects.toMatchObject({
    kind: "internal",
    message: 'shared mount data: no container "db" runs',
  });
  expect(kernel.init.children).toEqual([]);
});

test("the error about an unknown container quotes only the beginning of a long name", async () => {
  const { kernel } = attaching();
  const long = { ...mount, source: "x".repeat(1000) };
  await expect(shareMounts(kernel, [long], sharer("new", 43), [])).rejects.toThrow(
    `shared mount data: no container "${"x".repeat(80)}" runs`,
  );
});
