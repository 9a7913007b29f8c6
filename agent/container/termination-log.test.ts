import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ContainedFiles, FileRoot } from "../kernel/files/contained-files.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import type { MountSpec } from "./spec.ts";
import { readTerminationLog } from "./termination-log.ts";
import { testSpec } from "./testing/test-spec.ts";

const contained = containedDouble(openSys());
let directory = "";
leavesNoDescriptors();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-termination-"));
  mkdirSync(join(directory, "rootfs/dev"), { recursive: true });
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const bind = (destination: string, source: string): MountSpec => ({
  ...{ destination, source: join(directory, source), type: "bind", options: ["rbind"] },
});
function read(
  mounts: readonly MountSpec[] = [],
  path: string | undefined = "/dev/termination-log",
  files: ContainedFiles = contained,
) {
  const annotations = path === "" ? {} : { "io.kubernetes.container.terminationMessagePath": path };
  return readTerminationLog(files, {
    id: "c1",
    spec: testSpec({ annotations, mounts, root: { path: join(directory, "rootfs"), readonly: false } }),
  });
}
const write = (path: string, content: string | Buffer) => writeFileSync(join(directory, path), content);

test("a file of the guest is read for its container, which may hold it up", async () => {
  const roots: FileRoot[] = [];
  const recording: ContainedFiles = {
    ...contained,
    use: (root, calls, signal) => {
      roots.push(root);
      return contained.use(root, calls, signal);
    },
  };
  expect(await read([], "/none", recording)).toBe("");
  expect(roots).toEqual([{ container: "c1", path: "/" }]);
});

test("the file is read from its own bind mount, below another mount, or in the rootfs", async () => {
  write("rootfs/dev/termination-log", "in the root");
  expect(await read()).toBe("in the root");
  write("log", "bound");
  const dev = { destination: "/dev", source: "tmpfs", type: "tmpfs", options: [] };
  expect(await read([dev, bind("/dev/termination-log", "log")])).toBe("bound");
  mkdirSync(join(directory, "dir"));
  write("dir/termination-log", "below");
  expect(await read([bind("/dev/", "dir")])).toBe("below");
});

test("a message that is missing, or disappeared with the container, is empty", async () => {
  write("rootfs/dev/termination-log", "covered");
  expect(await read([{ destination: "/dev", source: "tmpfs", type: "tmpfs", options: [] }])).toBe("");
  expect(await read([], "/dev/none")).toBe("");
  expect(await read([bind("/dev/termination-log", "none")])).toBe("");
});

test("a long message is cut to its end, never more than 4096 bytes of UTF-8", async () => {
  write("rootfs/dev/termination-log", `${"x".repeat(5000)}end`);
  expect(await read()).toBe(`${"x".repeat(4093)}end`);
  write("rootfs/dev/termination-log", Buffer.alloc(9000, 0xff));
  expect(Buffer.byteLength(await read())).toBeLessThanOrEqual(4096);
  write("rootfs/dev/termination-log", "€".repeat(3000));
  expect(Buffer.byteLength(await read())).toBeLessThanOrEqual(4096);
  expect(await read()).toMatch(/€$/);
});

test("links that the container put into the path lead nowhere else", async () => {
  write("secret", "of the guest");
  symlinkSync(join(directory, "secret"), join(directory, "rootfs/dev/absolute"));
  symlinkSync("../../secret", join(directory, "rootfs/dev/relative"));
  symlinkSync("loop", join(directory, "rootfs/dev/loop"));
  execFileSync("mkfifo", [join(directory, "rootfs/dev/fifo")]);
  mkdirSync(join(directory, "rootfs/dev/directory"));
  symlinkSync(join(directory, "secret"), join(directory, "link"));
  for (const name of ["absolute", "relative", "loop", "fifo", "directory", "../../secret"]) {
    expect(await read([], `/dev/${name}`), name).toBe("");
  }
  expect(await read([bind("/dev/termination-log", "link")])).toBe("");
});

test("a container without the annotation is refused", async () => {
  await expect(read([], "")).rejects.toMatchObject({
    kind: "invalid-argument",
    message: "termination log: the container has no annotation io.kubernetes.container.terminationMessagePath",
  });
});
