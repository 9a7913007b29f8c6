import { AgentError } from "../../kernel/error.ts";
import { findContainer } from "../find-container.ts";
import { toResources, unsupportedOfResources } from "../oci-resources.ts";
import type { Rpc } from "../rpc.ts";

/** Changes the given resources; a request without any changes nothing. */
export const updateContainer: Rpc<"UpdateContainer"> = {
  afterDeath: "continue",
  async handle(agent, request) {
    const { id } = findContainer(agent, request.container_id, "invalid-argument");
    const [unsupported] = unsupportedOfResources(request.resources);
    if (unsupported !== undefined) {
      throw new AgentError("invalid-argument", `update container ${id}: ${unsupported} is not supported`);
    }
    if (request.resources !== null) agent.sandbox.updateContainer(id, toResources(request.resources));
    return {};
  },
};
