import { expect, test, vi } from "vitest";
import { chooseVsock, isCidTaken, VSOCK_KINDS, vhostVsockUsable } from "./vsock-device.ts";

test("recognises QEMU's message about a context id in use", () => {
  const option = "qemu-system-x86_64: -device vhost-vsock-pci,guest-cid=42: vhost-vsock: unable to set guest cid";
  expect(isCidTaken(`${option}: Address already in use`)).toBe(true);
  expect(isCidTaken(`${option}: Permission denied`)).toBe(false);
});

test("chooses the wanted kind, that of the environment, or the first that this machine has", async () => {
  vi.stubEnv("GUESTD_VSOCK", "serial");
  expect([await chooseVsock(), await chooseVsock("vhost-user")]).toEqual(["serial", "vhost-user"]);
  vi.stubEnv("GUESTD_VSOCK", "usb");
  await expect(chooseVsock()).rejects.toThrow(`GUESTD_VSOCK=usb: no such kind; use ${VSOCK_KINDS.join(", ")}`);
  vi.stubEnv("GUESTD_VSOCK", "");
  vi.stubEnv("PATH", "");
  vi.stubEnv("GUESTD_CACHE", "/nonexistent");
  expect(await chooseVsock()).toBe((await vhostVsockUsable()) ? "vhost" : "serial");
});
