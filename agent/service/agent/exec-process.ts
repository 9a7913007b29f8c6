import { processWarnings } from "../../container/process/check-process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { refuse } from "../../container/refuse.ts";
import { AgentError } from "../../kernel/error.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { checkExecId } from "../../sandbox/container-id.ts";
import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import { passedOverOfProcess, toProcess, unsupportedOfProcess } from "../oci-process.ts";
import { withPassedStdio } from "../passed-stdio.ts";
import type { Rpc } from "../rpc.ts";

/** Answers when execve has succeeded, so a missing binary, user or directory fails this call. A used id is INTERNAL by contract. */
export const execProcess: Rpc<"ExecProcess"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    using _inside = agent.warmStart.gate.enter("exec process", call.progress);
    const { process: message, exec_id: execId } = request;
    if (message === null) throw new AgentError("invalid-argument", "exec process: the request has no process");
    const [unsupported] = unsupportedOfProcess(message);
    if (unsupported !== undefined) throw refuse(unsupported, "is not supported");
    checkExecId(execId);
    const container = findContainer(agent, request.container_id, "internal");
    if (call.progress === BEGUN && (await container.hasExecuted(execId, call.signal))) return {};
    container.checkFree(execId);
    call.note?.(BEGUN);
    const process = toProcess(message);
    const exec = { container, execId, process, user: request.string_user ?? undefined };
    await withPassedStdio(agent, "exec process", request, call.signal, (passed) =>
      agent.sandbox.exec({ ...exec, passed }, call.signal),
    );
    const warnings = [...processWarnings(process, securityModules(agent)), ...passedOverOfProcess(message)];
    for (const line of firstLines(warnings)) agent.warn(`exec process: ${line}`);
    return {};
  },
};
