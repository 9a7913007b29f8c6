import { AgentError } from "../../kernel/error.ts";
import { addNeighbors } from "../../network/add-neighbors.ts";
import type { Rpc } from "../rpc.ts";

export const addARPNeighbors: Rpc<"AddARPNeighbors"> = async ({ network }, { neighbors }, { signal }) => {
  if (neighbors === null) throw new AgentError("invalid-argument", "add neighbours: no neighbours are given");
  const wanted = neighbors.ARPNeighbors.map(({ toIPAddress, device, lladdr, state, flags }) => ({
    address: toIPAddress?.address ?? "",
    device,
    hardwareAddress: lladdr,
    state,
    flags,
  }));
  await addNeighbors(network, wanted, signal);
  return {};
};
