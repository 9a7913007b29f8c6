import { expect, test } from "vitest";
import { isCidTaken } from "./vsock-device.ts";

test("recognises QEMU's message about a context id in use", () => {
  const option = "qemu-system-x86_64: -device vhost-vsock-pci,guest-cid=42: vhost-vsock: unable to set guest cid";
  expect(isCidTaken(`${option}: Address already in use`)).toBe(true);
  expect(isCidTaken(`${option}: Permission denied`)).toBe(false);
});
