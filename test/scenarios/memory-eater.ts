import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const EATS = "read go; x=0123456789abcdef; while :; do x=$x$x; done";
const LIMIT = 24 << 20;

/** A container that takes more memory than its limit allows once it has read a line. */
export function startEater(pod: Pod): Promise<string> {
  const { Linux } = ociSpec("/", []);
  const Resources = { Memory: { Limit: LIMIT, Swap: LIMIT } };
  return pod.start(["sh", "-c", EATS], { Linux: { ...Linux, Resources } });
}
