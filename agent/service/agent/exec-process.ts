import { processWarnings } from "../../container/process/check-process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { AgentError } from "../../kernel/error.ts";
import { checkExecId } from "../../sandbox/container-id.ts";
import { findContainer } from "../find-container.ts";
import { toProcess, unsupportedOfProcess } from "../oci-process.ts";
import { refuseGiven } from "../refuse-given.ts";
import type { Rpc } from "../rpc.ts";

/** Returns when execve has succeeded: a missing binary, user or directory is told here. A used id is INTERNAL by contract. */
export const execProcess: Rpc<"ExecProcess"> = async (agent, request, call) => {
  if (request.process === null) throw new AgentError("invalid-argument", "exec process: the request has no process");
  const { string_user, stdin_port, stdout_port, stderr_port } = request;
  refuseGiven("exec process", { string_user, stdin_port, stdout_port, stderr_port });
  const [unsupported] = unsupportedOfProcess(request.process);
  if (unsupported !== undefined) refuseGiven("exec process", { [unsupported]: true });
  checkExecId(request.exec_id);
  const container = findContainer(agent, request.container_id, "internal");
  if (container.has(request.exec_id)) {
    throw new AgentError("internal", `exec process: the exec id ${JSON.stringify(request.exec_id)} already exists`);
  }
  const process = toProcess(request.process);
  await container.exec(request.exec_id, process, call.signal);
  for (const line of processWarnings(process, securityModules(agent))) agent.warn(`exec process: ${line}`);
  return {};
};
