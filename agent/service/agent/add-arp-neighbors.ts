import { AgentError } from "../../kernel/error.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { addNeighbors, neighborWarnings } from "../../network/add-neighbors.ts";
import type { Rpc } from "../rpc.ts";

export const addARPNeighbors: Rpc<"AddARPNeighbors"> = {
  afterDeath: "repeat",
  async handle(agent, { neighbors }, { signal }) {
    if (neighbors === null) throw new AgentError("invalid-argument", "add neighbours: no neighbours are given");
    const wanted = neighbors.ARPNeighbors.map(({ toIPAddress, device, lladdr, state, flags }) => ({
      address: toIPAddress?.address ?? "",
      device,
      hardwareAddress: lladdr,
      state,
      flags,
    }));
    await addNeighbors(agent.network, wanted, signal);
    for (const line of firstLines(neighborWarnings(wanted))) agent.warn(`add neighbours: ${line}`);
    return {};
  },
};
