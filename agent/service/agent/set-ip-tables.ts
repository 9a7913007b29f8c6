import { setIptables } from "../../network/iptables.ts";
import type { Rpc } from "../rpc.ts";

export const setIPTables: Rpc<"SetIPTables"> = {
  afterDeath: "repeat",
  handle: async ({ network }, request, { signal }) => ({
    data: await setIptables(network, request.is_ipv6 ? "v6" : "v4", request.data, signal),
  }),
};
