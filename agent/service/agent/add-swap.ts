import { AgentError } from "../../kernel/error.ts";
import type { Rpc } from "../rpc.ts";

/** Waits for the disk like for any other that the host plugs in. */
export const addSwap: Rpc<"AddSwap"> = {
  afterDeath: "continue",
  async handle({ sandbox }, { PCIPath: slots }, { signal }) {
    if (slots.length === 0) throw new AgentError("invalid-argument", "add swap: no PCI path");
    await sandbox.addSwap(slots.map((slot) => slot.toString(16).padStart(2, "0")).join("/"), signal);
    return {};
  },
};
