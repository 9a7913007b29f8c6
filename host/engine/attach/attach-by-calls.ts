import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";

/** Identifies a process in a container. The exec id of a container's first process is the container's id. */
export interface ProcessId {
  readonly container_id: string;
  readonly exec_id: string;
}

export interface Stdio {
  /** Sent to the process until it ends; if undefined, the process's stdin is closed immediately. */
  readonly stdin?: Readable | undefined;
  /** Left open, as it belongs to the caller. */
  readonly stdout: Writable;
  /** Undefined for a process with a terminal, which has no separate stderr. */
  readonly stderr?: Writable | undefined;
}

/** Size of one read or write, in bytes: the size hosts use, and the most that can be lost with an agent. */
const CHUNK_BYTES = 32 * 1024;

/**
 * Forwards a process's stdio until the process has ended and all its output is written. Returns its exit code, or 128 +
 * signal if it was killed. Throws RpcError, or the error of a local stream that can't be written.
 */
export async function attach(client: AgentClient, process: ProcessId, stdio: Stdio): Promise<number> {
  const ended = new AbortController();
  const input = sendInput(client, process, stdio.stdin, ended.signal);
  try {
    await Promise.all([
      copyOutput((request) => client.agent.readStdout(request), process, stdio.stdout),
      stdio.stderr && copyOutput((request) => client.agent.readStderr(request), process, stdio.stderr),
    ]);
    const { status } = await client.agent.waitProcess(process);
    return status;
  } finally {
    ended.abort();
    await input;
  }
}

type Read = (request: ProcessId & { len: number }) => Promise<{ data: Uint8Array }>;

async function copyOutput(read: Read, process: ProcessId, to: Writable): Promise<void> {
  for (;;) {
    const { data } = await read({ ...process, len: CHUNK_BYTES }).catch(atEnd);
    if (data.length === 0) return;
    await write(to, data);
  }
}

/** Treats the error for a process that another client waited for as the end of output; waiting fails if it never existed. */
function atEnd(error: unknown): { data: Uint8Array } {
  if (error instanceof RpcError && error.kind === "not-found") return { data: new Uint8Array() };
  throw error;
}

/** Waits if the stream is full; throws if it has failed. */
async function write(to: Writable, data: Uint8Array): Promise<void> {
  if (to.errored !== null) throw to.errored;
  if (!to.write(data)) await once(to, "drain");
}

/** Never rejects; a broken connection is reported by the reads. */
async function sendInput(
  client: AgentClient,
  process: ProcessId,
  stdin: Readable | undefined,
  ended: AbortSignal,
): Promise<void> {
  try {
    if (stdin !== undefined) {
      for await (const chunk of withSignal(stdin, ended)) {
        for (let from = 0; from < chunk.length; from += CHUNK_BYTES) {
          const data = chunk.subarray(from, from + CHUNK_BYTES);
          await client.agent.writeStdin({ ...process, data }, { signal: ended });
        }
      }
    }
    if (!ended.aborted) await client.agent.closeStdin(process, { signal: ended });
  } catch {
    // The process has ended or closed its stdin, so the rest of the input is discarded.
  }
}

/** Yields the stream's chunks until the signal aborts; leaves the stream open. */
async function* withSignal(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stop = Promise.withResolvers<undefined>();
  signal.addEventListener("abort", () => stop.resolve(undefined), { once: true });
  const chunks = stream.iterator({ destroyOnReturn: false });
  for (;;) {
    const next = await Promise.race([chunks.next(), stop.promise]);
    if (next === undefined || next.done === true) break;
    yield Buffer.from(next.value);
  }
}
