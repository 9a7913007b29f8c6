import { AgentError } from "../../kernel/error.ts";
import { updateInterface as update } from "../../network/update-interface.ts";
import type { Rpc } from "../rpc.ts";
import { toInterface } from "../to-interface.ts";

/** Configures an interface and returns the request, as hosts expect. */
export const updateInterface: Rpc<"UpdateInterface"> = {
  afterDeath: "repeat",
  async handle({ network }, request, { signal }) {
    const wanted = request.interface;
    if (wanted === null) throw new AgentError("invalid-argument", "update interface: no interface is given");
    await update(network, toInterface(wanted), signal);
    return wanted;
  },
};
