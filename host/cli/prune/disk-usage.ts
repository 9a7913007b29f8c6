import type { BlockStore } from "../../engine/image/disk/block-store.ts";
import type { ImageStore } from "../../engine/image/store/image-store.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import type { TemplateStore } from "../../engine/template/template-store.ts";
import { containerBytes } from "./ended-containers.ts";
import { unusedImages } from "./unused-images.ts";

/** One row of `system df`; the names are those of `system df --json`. */
export interface DiskUsage {
  readonly type: "images" | "containers" | "disks of images" | "templates";
  readonly total: number;
  /** Number of those that a container or a guest uses. */
  readonly active: number;
  /** Bytes. */
  readonly size: number;
}

/** Returns what guestctl keeps of this user on the disk. */
export async function diskUsage(
  store: StateStore,
  { images, disks, templates }: { images: ImageStore; disks: BlockStore; templates: TemplateStore },
): Promise<readonly DiskUsage[]> {
  const stored = images.list();
  const records = [...store.guests(), ...store.endedGuests()].flatMap(({ name }) => store.processes.list(name));
  const containers = records.filter(({ container, exec }) => container === exec);
  const roots = disks.list();
  const kept = await templates.list();
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  return [
    {
      type: "images",
      total: stored.length,
      size: images.size(),
      active: stored.length - unusedImages(images, store, true).length,
    },
    {
      type: "containers",
      total: containers.length,
      size: sum(containers.map(containerBytes)),
      active: containers.filter(({ ended }) => ended === undefined).length,
    },
    {
      type: "disks of images",
      total: roots.length,
      size: sum(roots.map(({ size }) => size)),
      active: roots.filter((root) => disks.isUsed(root)).length,
    },
    {
      type: "templates",
      total: kept.length,
      size: sum(kept.map(({ size }) => size)),
      active: kept.filter(({ guests }) => guests.length > 0).length,
    },
  ];
}
