import type { Container } from "../../container/container.ts";
import { processWarnings } from "../../container/process/check-process.ts";
import { type NamedUser, resolveUser } from "../../container/process/named-user.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { refuse } from "../../container/refuse.ts";
import type { ProcessSpec } from "../../container/spec.ts";
import { AgentError } from "../../kernel/error.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { checkExecId } from "../../sandbox/container-id.ts";
import { withPciAddresses } from "../../sandbox/pci-environment.ts";
import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import { passedOverOfProcess, toProcess, unsupportedOfProcess } from "../oci-process.ts";
import { withPassedStdio } from "../passed-stdio.ts";
import type { Agent, Rpc } from "../rpc.ts";

/** Returns when execve has succeeded: a missing binary, user or directory is told here. A used id is INTERNAL by contract. */
export const execProcess: Rpc<"ExecProcess"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    if (request.process === null) throw new AgentError("invalid-argument", "exec process: the request has no process");
    const [unsupported] = unsupportedOfProcess(request.process);
    if (unsupported !== undefined) throw refuse(unsupported, "is not supported");
    checkExecId(request.exec_id);
    const container = findContainer(agent, request.container_id, "internal");
    if (call.progress === BEGUN && (await container.hasExecuted(request.exec_id, call.signal))) return {};
    container.checkFree(request.exec_id);
    call.note?.(BEGUN);
    const asked = toProcess(request.process);
    const given = { ...asked, env: withPciAddresses(asked.env, agent.sandbox.pciAddresses(request.container_id)) };
    const user = await namedUser(agent, container, given, request.string_user, call.signal);
    const process = user === given.user ? given : { ...given, user };
    await withPassedStdio(agent, "exec process", request, call.signal, (passed) =>
      container.exec(request.exec_id, process, call.signal, passed),
    );
    const warnings = [...processWarnings(process, securityModules(agent)), ...passedOverOfProcess(request.process)];
    for (const line of firstLines(warnings)) agent.warn(`exec process: ${line}`);
    return {};
  },
};

/** By the files of the running container. */
async function namedUser(
  agent: Agent,
  { init }: Container,
  { user }: ProcessSpec,
  named: NamedUser | null,
  signal: AbortSignal,
): Promise<ProcessSpec["user"]> {
  if (named === null || init.status !== undefined) return user;
  return resolveUser(agent.kernel.sys, `/proc/${init.pid}/root`, user, named, signal);
}
