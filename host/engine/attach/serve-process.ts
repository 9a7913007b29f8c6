import { constants } from "node:os";
import { PassThrough } from "node:stream";
import type { AgentClient } from "../../client/agent-client.ts";
import type { RunStdio } from "../container/run-container.ts";
import { attach, type ProcessId } from "./attach-by-calls.ts";
import type { Interrupts } from "./interrupts.ts";
import { lendTerminal } from "./local-terminal.ts";
import { leaveAtLast, passSignals, processName } from "./pass-signals.ts";

const { SIGKILL } = constants.signals;

/** Closes the connection at the fourth signal, whatever the agent does; its open calls are rejected. */
export function leaveAfter(client: Pick<AgentClient, "close">, times: number): void {
  leaveAtLast(times, () => void client.close());
}

interface CallsOptions extends Partial<RunStdio> {
  readonly stdin: "pass" | "end" | "leave";
  readonly tty: boolean;
}

/**
 * Connects a started process to our stdio by Kata's calls until it ends, and returns its exit code. Signals go to the
 * process; the fourth closes the connection. If the reader of our stdout is gone, the process is killed, as SIGPIPE
 * would.
 */
export async function serveProcess(
  client: AgentClient,
  process_: ProcessId,
  { stdin, tty, stdout = process.stdout, stderr = process.stderr }: CallsOptions,
  interrupts: Interrupts,
): Promise<number> {
  const send = (signal: number) => void client.agent.signalProcess({ ...process_, signal }).catch(() => undefined);
  const name = processName(process_.container_id, process_.exec_id);
  using _signals = passSignals(interrupts, { name, send, leave: () => void client.close() });
  using _terminal = tty
    ? lendTerminal(stdin === "pass", ({ rows, columns }) => {
        void client.agent.ttyWinResize({ ...process_, row: rows, column: columns }).catch(() => undefined);
      })
    : undefined;
  try {
    return await attach(client, process_, {
      stdin: stdin === "pass" ? process.stdin : stdin === "leave" ? new PassThrough() : undefined,
      stdout,
      stderr: tty ? undefined : stderr,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    send(SIGKILL);
    return (await client.agent.waitProcess(process_)).status;
  }
}
