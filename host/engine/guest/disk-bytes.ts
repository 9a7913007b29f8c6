import type { grpc } from "../../../proto/gen/messages.js";

/** Returns the bytes that a container has read from or written to disks. */
export function diskBytes({ blkio_stats }: grpc.CgroupStats, op: "read" | "write"): number {
  const entries = (blkio_stats?.io_service_bytes_recursive ?? []).filter((entry) => entry.op === op);
  return entries.reduce((sum, { value }) => sum + value, 0);
}
