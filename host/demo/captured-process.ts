import { Writable } from "node:stream";
import type { AgentClient } from "../client/agent-client.ts";
import { attach, type ProcessId } from "../sandbox/attach.ts";

export interface Captured {
  /** stdout and stderr as they came. */
  readonly output: string;
  readonly code: number;
}

/** Follows a started process to its end and keeps what it prints. */
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

/** Reads a terminal's output until `wanted` is in it. Throws when the process ends before. */
export async function readUntil(client: AgentClient, id: ProcessId, wanted: string): Promise<string> {
  let text = "";
  while (!text.includes(wanted)) {
    const { data } = await client.agent.readStdout({ ...id, len: 4096 });
    if (data.length === 0) throw new Error(`it ended before it said "${wanted}"; it said ${JSON.stringify(text)}`);
    text += Buffer.from(data).toString();
  }
  return text;
}
