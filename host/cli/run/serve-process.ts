import { constants } from "node:os";
import type { AgentClient } from "../../client/agent-client.ts";
import { attach, type ProcessId } from "../../sandbox/attach.ts";
import type { ProcessFlags } from "../flags/process-flags.ts";
import type { Interrupts } from "./interrupts.ts";
import { lendTerminal } from "./local-terminal.ts";

const { SIGINT, SIGKILL } = constants.signals;
/**
 * Number of the signal that is sent as SIGKILL: the first process of a pid namespace may ignore other signals from
 * outside.
 */
const KILL_AT = 2;
/** Milliseconds between SIGTERM or SIGHUP and SIGKILL, as with docker stop. */
const KILL_MS = 10_000;
/** Milliseconds before a ^C counts as ineffective. */
const HINT_MS = 1000;

/** Number of the signal that leaves an agent that doesn't answer. */
const LEAVE_AT = 4;

/** Closes the connection at the fourth signal, whatever the agent does; its open calls are rejected. */
export function leaveAfter(client: Pick<AgentClient, "close">, times: number): void {
  if (times >= LEAVE_AT) void client.close();
}

/**
 * Connects a started process to our stdio until it ends, and returns its exit code. Signals to guestctl go to the
 * process, from the second on as SIGKILL, which also follows 10 s after a SIGTERM or SIGHUP; the fourth closes the
 * connection. A ^C without effect prints a hint. If the reader of our stdout is gone, the process is killed, as SIGPIPE
 * would.
 */
export async function serveProcess(
  client: AgentClient,
  process_: ProcessId,
  flags: Pick<ProcessFlags, "interactive" | "tty">,
  interrupts: Interrupts,
): Promise<number> {
  const send = (signal: number) => void client.agent.signalProcess({ ...process_, signal }).catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  interrupts.handle((signal, times) => {
    send(times >= KILL_AT ? SIGKILL : signal);
    leaveAfter(client, times);
    clearTimeout(timer);
    if (times >= KILL_AT) return;
    timer = signal === SIGINT ? setTimeout(() => hint(process_), HINT_MS) : setTimeout(send, KILL_MS, SIGKILL);
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
  } finally {
    clearTimeout(timer);
  }
}

function hint({ container_id, exec_id }: ProcessId): void {
  const what = container_id === exec_id ? `container ${container_id}` : `the command in container ${container_id}`;
  process.stderr.write(`guestctl: ${what} still runs after ^C; press it again to kill it\n`);
}
