import { explainSpec } from "../../container/explain/explain.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

/** Recompiles the plan from the spec, with the same function that created the container. */
export const explain: Rpc<"Explain"> = {
  afterDeath: "repeat",
  handle: async (agent, { container_id }) => {
    const { spec } = findContainer(agent, container_id, "not-found");
    return { steps: explainSpec(spec, agent.sandbox.stepMicros(container_id)) };
  },
};
