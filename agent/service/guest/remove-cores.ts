import type { Rpc } from "../rpc.ts";

export const removeCores: Rpc<"RemoveCores"> = {
  afterDeath: "repeat",
  async handle({ cores }, { ids }) {
    (await cores()).remove(ids);
    return {};
  },
};
