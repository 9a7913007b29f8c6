import { closeStreams, type PassedStdio, type StdioName } from "../container/passfd/passed-stream.ts";
import { AgentError } from "../kernel/error.ts";
import type { Agent } from "./rpc.ts";

type Ports = { readonly [Name in StdioName as `${Name}_port`]: number };

/**
 * Runs `work` with the streams of the request's ports, or with undefined if the request has none. Closes the streams on failure. Works
 * without a stream that the host did not connect, as the reference agent does, and logs that.
 */
export async function withPassedStdio<T>(
  agent: Agent,
  call: string,
  { stdin_port, stdout_port, stderr_port }: Ports,
  signal: AbortSignal,
  work: (passed: PassedStdio | undefined) => Promise<T>,
): Promise<T> {
  const ports = { stdin: stdin_port, stdout: stdout_port, stderr: stderr_port };
  const [given] = Object.entries(ports).find(([, port]) => port !== 0) ?? [];
  if (given === undefined) return work(undefined);
  if (agent.streams === undefined) throw new AgentError("unimplemented", `${call}: ${given}_port is not supported`);
  const passed = await agent.streams.take(ports, signal);
  try {
    for (const [name, { fd, port }] of Object.entries(passed)) {
      if (fd === undefined) agent.warn(`${call}: no stream of port ${port} has come; there is no ${name}`);
    }
    signal.throwIfAborted();
    return await work(passed);
  } catch (error) {
    closeStreams(passed);
    throw error;
  }
}
