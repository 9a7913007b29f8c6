import { debianPackage } from "../rootfs-builder/debian/debian-package.ts";
import { packageFacts } from "../rootfs-builder/debian/package-facts.ts";
import { hashFile } from "../rootfs-builder/digest.ts";
import type { Source } from "../rootfs-builder/manifest/manifest.ts";
import { debianSource } from "../rootfs-builder/manifest/sources.ts";

/** Returns the origin of the small image's only program. */
export async function busyboxSource(): Promise<Source> {
  const found = await debianPackage("busybox-static");
  return { ...debianSource(await packageFacts(found, await hashFile(found.file))), within: ["busybox.tar"] };
}
