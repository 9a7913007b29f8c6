import type { AgentClient } from "../client/agent-client.ts";
import { attach, type ProcessId } from "../sandbox/attach.ts";
import type { Interrupts } from "./interrupts.ts";
import { lendTerminal } from "./local-terminal.ts";
import type { ProcessFlags } from "./process-flags.ts";

const SIGKILL = 9;
/** The first process of a pid namespace may ignore what comes from outside, so ^C again and again has to end it. */
const KILL_AT = 3;

/** An agent that answers nothing must not keep us. */
const LEAVE_AT = 5;

/** With the fifth ^C we go, whatever the agent does: its open calls are rejected. */
export function leaveAfter(client: Pick<AgentClient, "close">, times: number): void {
  if (times >= LEAVE_AT) void client.close();
}

/**
 * Puts a started process on our stdio until it ends, and gives its exit code. Signals to us go to it, from the third on as
 * SIGKILL, and the fifth ends the connection. When nobody reads our stdout any more it is killed, as a pipe would have done.
 */
export async function serveProcess(
  client: AgentClient,
  process_: ProcessId,
  flags: Pick<ProcessFlags, "interactive" | "tty">,
  interrupts: Interrupts,
): Promise<number> {
  const send = (signal: number) => void client.agent.signalProcess({ ...process_, signal }).catch(() => undefined);
  interrupts.take((signal, times) => {
    send(times >= KILL_AT ? SIGKILL : signal);
    leaveAfter(client, times);
  });
  const interactive = flags.interactive === true;
  using _terminal = flags.tty
    ? lendTerminal(interactive, ({ rows, columns }) => {
        void client.agent.ttyWinResize({ ...process_, row: rows, column: columns }).catch(() => undefined);
      })
    : undefined;
  try {
    return await attach(client, process_, {
      stdin: interactive ? process.stdin : undefined,
      stdout: process.stdout,
      stderr: flags.tty ? undefined : process.stderr,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
    send(SIGKILL);
    return (await client.agent.waitProcess(process_)).status;
  }
}
