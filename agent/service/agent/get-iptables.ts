import { getIptables } from "../../network/iptables.ts";
import type { Rpc } from "../rpc.ts";

export const getIPTables: Rpc<"GetIPTables"> = async ({ network }, request, { signal }) => ({
  data: await getIptables(network, request.is_ipv6 ? "v6" : "v4", signal),
});
