import { ImageError } from "../../../../image/image-error.ts";

/**
 * Extended attributes to keep, as the agent does for images that it gets itself: file capabilities and users' own. Others
 * (trusted, security, system) affect the guest or the overlay over the disk.
 */
const KEPT = /^(security\.capability$|user\..)/s;
/** Bytes that Linux allows for the value of one attribute, and that one file may have here in all. */
const MAX_BYTES = 65_535;

/** Returns copies of the attributes to keep, and their size in bytes. Throws ImageError if a file has too many. */
export function keptXattrs(xattrs: ReadonlyMap<string, Uint8Array>): {
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly size: number;
} {
  const kept = [...xattrs].filter(([name]) => KEPT.test(name));
  const size = kept.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.length, 0);
  if (size > MAX_BYTES) throw new ImageError(`its extended attributes have more than ${MAX_BYTES} bytes`);
  // Copies, since a value may be a view of much more.
  return { xattrs: new Map(kept.map(([name, value]) => [name, Buffer.from(value)])), size };
}
