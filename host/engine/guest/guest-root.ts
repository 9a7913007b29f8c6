import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";

/** Returns an overlay of the guest's root with a writable layer in guest memory, removed with its container. */
export function guestRootStorage(mountPoint: string): Init<grpc.Storage> {
  const options = ["lowerdir=/", "io.katacontainers.fs-opt.overlay-rw"];
  return { driver: "overlayfs", source: "none", fstype: "overlay", mount_point: mountPoint, options };
}
