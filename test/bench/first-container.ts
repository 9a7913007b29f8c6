import type { AgentClient } from "../../host/client/agent-client.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { freshAgent } from "./first-answer.ts";
import { Samples } from "./samples.ts";

/** Times of a pod's first container, in ms. Users wait for it, and the medians of many rounds hide it. */
export class FirstContainer {
  readonly check = new Samples();
  readonly create = new Samples();
  readonly exec = new Samples();
  /** From the agent's exec to the container's first output. */
  readonly output = new Samples();

  /**
   * Starts an agent on `socket`, then a sandbox, a container in `rootfs` and an exec in it. Throws on unexpected
   * output.
   */
  async round(command: readonly string[], socket: string, rootfs: string): Promise<void> {
    const container_id = "first";
    const spec = ociSpec(rootfs, ["sh", "-c", "echo hello; exec sleep 1000"]);
    await using fresh = await freshAgent(command, socket);
    const { agent, health } = fresh.client;
    await this.check.time(() => health.check({}));
    await agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
    await this.create.time(() => agent.createContainer({ container_id, exec_id: container_id, OCI: spec }));
    await agent.startContainer({ container_id });
    const { data } = await agent.readStdout({ container_id, exec_id: container_id, len: 32 * 1024 });
    this.output.add(await fresh.sinceExec());
    const text = await this.exec.time(() => echo(agent, container_id));
    if (`${Buffer.from(data)}${text}` !== "hello\nhello\n") throw new Error(`first container: "${text}"`);
  }
}

/**
 * Runs an exec with the calls of a host, in its order: ExecProcess, ReadStdout and ReadStderr to their ends,
 * WaitProcess.
 */
export async function echo(agent: AgentClient["agent"], container_id: string): Promise<string> {
  const process = { container_id, exec_id: "exec" };
  await agent.execProcess({ ...process, process: { Args: ["echo", "hello"], Env: ["PATH=/bin"], Cwd: "/" } });
  const readAll = async (read: "readStdout" | "readStderr") => {
    for (let text = ""; ; ) {
      const { data } = await agent[read]({ ...process, len: 32 * 1024 });
      if (data.length === 0) return text;
      text += Buffer.from(data).toString();
    }
  };
  const [text] = await Promise.all([readAll("readStdout"), readAll("readStderr")]);
  await agent.waitProcess(process);
  return text;
}
