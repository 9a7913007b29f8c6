import { AgentError } from "../../kernel/error.ts";
import { updateInterface as update } from "../../network/update-interface.ts";
import type { Rpc } from "../rpc.ts";

/** Configures an interface and returns the request, as hosts expect. */
export const updateInterface: Rpc<"UpdateInterface"> = {
  afterDeath: "repeat",
  async handle({ network }, request, { signal }) {
    const wanted = request.interface;
    if (wanted === null) throw new AgentError("invalid-argument", "update interface: no interface is given");
    await update(
      network,
      {
        name: wanted.name,
        hardwareAddress: wanted.hwAddr,
        addresses: wanted.IPAddresses,
        mtu: wanted.mtu,
        pciPath: wanted.devicePath,
        flags: wanted.raw_flags,
      },
      signal,
    );
    return wanted;
  },
};
