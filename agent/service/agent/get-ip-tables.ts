import { getIptables } from "../../network/iptables.ts";
import type { Rpc } from "../rpc.ts";

export const getIPTables: Rpc<"GetIPTables"> = {
  afterDeath: "repeat",
  handle: async ({ network }, request, { signal }) => ({
    data: await getIptables(network, request.is_ipv6 ? "v6" : "v4", signal),
  }),
};
