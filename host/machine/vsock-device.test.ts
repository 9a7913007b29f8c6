import { expect, test } from "vitest";
import { isCidTaken } from "./vsock-device.ts";

test("QEMU's words about a context id that another guest has are known", () => {
  const option = "qemu-system-x86_64: -device vhost-vsock-pci,guest-cid=42: vhost-vsock: unable to set guest cid";
  expect(isCidTaken(`${option}: Address already in use`)).toBe(true);
  expect(isCidTaken(`${option}: Permission denied`)).toBe(false);
});
