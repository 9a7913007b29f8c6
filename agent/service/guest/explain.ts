import { explainSpec } from "../../container/explain/explain.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

/** Compiled anew from the spec: the same function of it that made the container. */
export const explain: Rpc<"Explain"> = {
  afterDeath: "repeat",
  handle: async (agent, { container_id }) => ({
    steps: explainSpec(findContainer(agent, container_id, "not-found").spec),
  }),
};
