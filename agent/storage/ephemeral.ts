import { AgentError } from "../kernel/error.ts";
import { hugePagesOf, releaseHugePages, reserveHugePages } from "./huge-pages.ts";
import { mountStorage } from "./mount-storage.ts";
import type { PlacedStorage, StorageDriver } from "./storage.ts";

/** Memory: a new tmpfs, or huge pages that are reserved for the storage and released with it. */
export const ephemeral: StorageDriver = {
  name: "ephemeral",
  async mount(kernel, storage) {
    const { fstype } = storage;
    if (fstype === "hugetlbfs") await mountHugePages(kernel, storage);
    else if (fstype === "tmpfs") await mountStorage(kernel, storage);
    else {
      const why = `file system "${fstype}" is not supported, only tmpfs and hugetlbfs are`;
      throw new AgentError("unimplemented", `ephemeral storage: ${why}`);
    }
  },
  async release(_kernel, { fstype, options }) {
    if (fstype === "hugetlbfs") await releaseHugePages(hugePagesOf(options));
  },
};

async function mountHugePages(kernel: Parameters<typeof mountStorage>[0], storage: PlacedStorage): Promise<void> {
  const pages = hugePagesOf(storage.options);
  await reserveHugePages(pages);
  try {
    const others = storage.options.flatMap((option) => option.split(",")).filter((word) => !/^(page)?size=/.test(word));
    const options = [...others, `pagesize=${pages.pageSize}`, `size=${pages.size}`];
    await mountStorage(kernel, { ...storage, options });
  } catch (error) {
    await releaseHugePages(pages).catch(() => undefined);
    throw error;
  }
}
