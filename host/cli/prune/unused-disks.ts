import type { BlockStore } from "../../engine/image/disk/block-store.ts";
import type { Pruned } from "./pruned.ts";

/** Removes disks made from images that neither a guest nor a template uses. The next run makes them again. */
export async function pruneDisks(disks: BlockStore): Promise<Pruned> {
  const before = disks.list();
  await disks.makeRoom(0);
  const left = new Set(disks.list().map(({ id }) => id));
  const removed = before.filter(({ id }) => !left.has(id));
  return { names: removed.map(({ id }) => id.slice(0, 12)), bytes: removed.reduce((sum, { size }) => sum + size, 0) };
}
