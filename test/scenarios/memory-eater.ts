import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const EATS = "read go; x=0123456789abcdef; while :; do x=$x$x; done";
const LIMIT = 24 << 20;

/** Starts a container that exceeds its memory limit once it has read a line. */
export function startEater(pod: Pod): Promise<string> {
  const { Linux } = ociSpec("/", []);
  const Resources = { Memory: { Limit: LIMIT, Swap: LIMIT } };
  return pod.start(["sh", "-c", EATS], { Linux: { ...Linux, Resources } });
}
