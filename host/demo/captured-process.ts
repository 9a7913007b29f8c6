import { Writable } from "node:stream";
import type { AgentClient } from "../client/agent-client.ts";
import { attach, type ProcessId } from "../engine/attach/attach-by-calls.ts";

export interface Captured {
  /** stdout and stderr in order of arrival. */
  readonly output: string;
  readonly code: number;
}

/** Follows a started process to its end and collects its output. */
export async function capture(client: AgentClient, id: ProcessId): Promise<Captured> {
  const chunks: Buffer[] = [];
  const collect = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        done();
      },
    });
  const code = await attach(client, id, { stdout: collect(), stderr: collect() });
  return { output: Buffer.concat(chunks).toString(), code };
}

/** Reads a terminal's output until it contains `wanted`. Throws if the process ends first. */
export async function readUntil(client: AgentClient, id: ProcessId, wanted: string): Promise<string> {
  let text = "";
  while (!text.includes(wanted)) {
    const { data } = await client.agent.readStdout({ ...id, len: 4096 });
    if (data.length === 0)
      throw new Error(`the process ended before printing "${wanted}"; its output was ${JSON.stringify(text)}`);
    text += Buffer.from(data).toString();
  }
  return text;
}
