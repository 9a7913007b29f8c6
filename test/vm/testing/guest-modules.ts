import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cachedKernels } from "../../../host/vm/paths.ts";
import { resolveModules } from "../../../rootfs-builder/initramfs/modules.ts";

/** Writes /lib/modules of the guest's kernel for a share, with these modules and those they need. */
export async function makeModules(directory: string, names: readonly string[]): Promise<void> {
  const [kernel] = cachedKernels();
  if (kernel === undefined) throw new Error("no kernel in the cache");
  const release = join(directory, basename(kernel.modules));
  mkdirSync(release, { recursive: true });
  const modules = await resolveModules(kernel.modules, names);
  for (const { path, content } of modules) writeFileSync(join(release, basename(path)), content);
  // Each module needs all before it: more than required, and in an order that works.
  const files = modules.map(({ path }) => basename(path));
  const lines = files.map((file, index) => `${file}: ${files.slice(0, index).reverse().join(" ")}\n`);
  writeFileSync(join(release, "modules.dep"), lines.join(""));
}
