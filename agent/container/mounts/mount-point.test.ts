import { expect, test } from "vitest";
import { mountPointOf } from "./mount-point.ts";

const MOUNTINFO = `21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /run rw - tmpfs tmpfs rw
23 22 0:21 / /run/shared rw shared:2 - virtiofs shared rw
24 22 0:22 / /run/with\\040space rw - tmpfs tmpfs rw
`;

test.each([
  ["/run/shared/c1/rootfs", "/run/shared"],
  ["/run/shared", "/run/shared"],
  ["/run/sharedish", "/run"],
  ["/run/with space/x", "/run/with space"],
  ["/opt/x", "/"],
])("%s is on the mount at %s", (path, point) => {
  expect(mountPointOf(MOUNTINFO, path)).toBe(point);
});
