import { describe, expect, test } from "vitest";
import { guestKernel } from "../debian/kernel-package.ts";
import { bootModules } from "./initramfs.ts";
import { resolveModules } from "./modules.ts";

describe("resolveModules, with the guest's kernel", async () => {
  const { modules: directory } = await guestKernel();

  test("orders each module after those it needs", async () => {
    const names = (await resolveModules(directory, bootModules({ verity: true }))).map(({ name }) => name);
    for (const [first, then] of [
      ["virtio_ring", "virtio_pci"],
      ["vsock", "vmw_vsock_virtio_transport_common"],
      ["vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport"],
      ["fuse", "virtiofs"],
      ["libnvdimm", "nfit"],
      ["nd_btt", "nd_pmem"],
      ["nd_virtio", "virtio_pmem"],
      ["libcrc32c", "erofs"],
    ]) {
      expect(names, `${first} before ${then}`).toContain(first);
      expect(names.indexOf(first ?? ""), `${first} before ${then}`).toBeLessThan(names.indexOf(then ?? ""));
    }
    expect(new Set(names).size).toBe(names.length);
  });

  test("leaves out modules that are built into the kernel", async () => {
    expect(await resolveModules(directory, ["ext4"])).toEqual([]);
  });

  test("names the missing module, and the module that needs it, in one line", async () => {
    await expect(resolveModules(directory, ["no-such-thing"])).rejects.toThrow(
      `module no_such_thing, for the initramfs: not in ${directory}, nor built in`,
    );
  });
});
