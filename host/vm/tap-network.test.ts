import { expect, test } from "vitest";
import { mayConfigure, tapArguments, tapName } from "./tap-network.ts";

const status = (bounding: string, ambient: string) => `CapEff:\t0\nCapBnd:\t${bounding}\nCapAmb:\t${ambient}\n`;

test.each([
  ["root", "000001ffffffffff", "0000000000000000", true, true],
  ["root of a container without the capability", "00000000a80425fb", "0000000000000000", true, false],
  ["another user", "000001ffffffffff", "0000000000000000", false, false],
  ["another user with the ambient capability", "000001ffffffffff", "0000000000001000", false, true],
])("%s may create network devices if its programs may", (_, bounding, ambient, root, may) => {
  expect(mayConfigure(status(bounding, ambient), root)).toBe(may);
});

test("lets QEMU create a device that no script configures and that ends with QEMU", () => {
  const name = tapName();
  expect(name).toMatch(/^guestd[0-9a-f]{8}$/);
  expect(tapArguments(name)).toEqual([
    ...["-netdev", `tap,id=tap,ifname=${name},script=no,downscript=no`],
    ...["-device", "virtio-net-pci,netdev=tap,mac=02:00:0a:d5:00:02,romfile="],
  ]);
});
