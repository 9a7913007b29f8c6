import { expect, test } from "vitest";
import { isSeen } from "./seen-paths.ts";

const SHARE = "/run/kata-containers/shared/containers";

test.each([
  ["the share itself", SHARE, false],
  ["a volume", `${SHARE}/c1-volume`, true],
  ["a directory in a volume", `${SHARE}/c1-volume/data`, true],
  ["a container's root", "/run/kata-containers/c1/rootfs", false],
  ["a storage of the sandbox", "/run/kata-containers/sandbox/shm", false],
  ["another storage's mount point", "/run/other", false],
  ["a directory in another storage", "/run/other/data", true],
  ["a name that begins alike", "/run/other-data", false],
])("the way to %s: containers see it: %s", (_, path, seen) => {
  expect(isSeen(path, ["/run/other"])).toBe(seen);
});
