import type { Container } from "../container/container.ts";
import type { Process } from "../container/process/process.ts";
import { AgentError, type ErrorKind } from "../kernel/error.ts";
import type { Agent } from "./rpc.ts";

/** The contract has its own code for an unknown container in each group of calls (behaviour.md 2.1). */
export function findContainer(agent: Agent, id: string, unknown: ErrorKind): Container {
  const container = agent.sandbox.find(id);
  if (container === undefined) {
    const word = unknown === "internal" ? "Invalid" : "invalid";
    throw new AgentError(unknown, `${word} container id: there is no container ${JSON.stringify(id.slice(0, 80))}`);
  }
  return container;
}

/** The process that a call on stdio, signals or waiting means; an unknown exec id is NOT_FOUND. */
export function findProcess(agent: Agent, request: { container_id: string; exec_id: string }): Process {
  return findContainer(agent, request.container_id, "invalid-argument").find(request.exec_id);
}
