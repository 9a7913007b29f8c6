import { readTerminationLog } from "../../container/termination-log.ts";
import { AgentError } from "../../kernel/error.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

const TERMINATION_LOG = "termination_log";

export const getDiagnosticData: Rpc<"GetDiagnosticData"> = {
  afterDeath: "repeat",
  async handle(agent, { log_type, container_id }, { signal }) {
    if (log_type !== TERMINATION_LOG) {
      const given = JSON.stringify(log_type.slice(0, 80));
      throw new AgentError("invalid-argument", `get diagnostic data: the log type ${given} is not ${TERMINATION_LOG}`);
    }
    const container = findContainer(agent, container_id, "invalid-argument");
    return { data: await readTerminationLog(agent.kernel.contained, container, signal) };
  },
};
