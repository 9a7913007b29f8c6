import type { Container } from "../container/container.ts";
import type { Process } from "../container/process/process.ts";
import { AgentError, type ErrorKind } from "../kernel/error.ts";
import type { Agent } from "./rpc.ts";

/** Returns a container. `unknown` is the error kind for an unknown id, which the contract sets per group of calls (behaviour.md 2.1). */
export function findContainer(agent: Agent, id: string, unknown: ErrorKind): Container {
  const container = agent.sandbox.find(id);
  if (container === undefined) {
    const word = unknown === "internal" ? "Invalid" : "invalid";
    throw new AgentError(unknown, `${word} container id: there is no container ${JSON.stringify(id.slice(0, 80))}`);
  }
  return container;
}

/** Returns the process for calls on stdio, signals and waiting. An unknown exec id is NOT_FOUND. */
export function findProcess(agent: Agent, request: { container_id: string; exec_id: string }): Process {
  return findContainer(agent, request.container_id, "invalid-argument").find(request.exec_id);
}
