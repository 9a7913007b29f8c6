import type { GuestNetwork } from "../../vm/guest-network.ts";
import type { CreateOptions } from "./options.ts";

/** Returns the network of a guest to boot, if the options give it one. */
export function guestNetwork(network: CreateOptions["network"] = "none"): { readonly network?: GuestNetwork } {
  if (network === "none") return {};
  const { kind = "user", publish = [] } = typeof network === "string" ? { kind: network } : network;
  const forwards = publish.map(({ host, guest, address = "127.0.0.1", udp = false }) => {
    return { protocol: udp ? ("udp" as const) : ("tcp" as const), address, hostPort: host, guestPort: guest };
  });
  return { network: { kind, forwards } };
}
