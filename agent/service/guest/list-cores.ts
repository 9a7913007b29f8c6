import type { Rpc } from "../rpc.ts";

export const listCores: Rpc<"ListCores"> = {
  afterDeath: "repeat",
  handle: async ({ cores }) => ({ cores: (await cores()).list() }),
};
