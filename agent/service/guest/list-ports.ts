import { AgentError } from "../../kernel/error.ts";
import { listeningPorts } from "../../network/forward/listening-ports.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const listPorts: Rpc<"ListPorts"> = {
  afterDeath: "repeat",
  async handle(agent, { container_id }) {
    if (container_id === "") return listeningPorts("/proc/self/net");
    const { init } = findContainer(agent, container_id, "not-found");
    const checkRuns = () => {
      if (init.status === undefined) return;
      throw new AgentError("failed-precondition", `list the ports of ${container_id}: its first process has ended`);
    };
    checkRuns();
    const listed = listeningPorts(`/proc/${init.pid}/net`);
    checkRuns(); // otherwise the pid may be another process's by now
    return listed;
  },
};
