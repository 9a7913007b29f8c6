import type { PortForward } from "./port-forward.ts";

/**
 * Network of a guest. `user` is QEMU's user network: it needs no privileges, and reaches whatever this user's processes
 * reach. `tap` is a link to the host by a network device, which requires CAP_NET_ADMIN.
 */
export interface GuestNetwork {
  readonly kind: "user" | "tap";
  readonly forwards: readonly PortForward[];
}
