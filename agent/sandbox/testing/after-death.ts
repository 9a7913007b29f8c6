import type { ExitStatus, Fd, InitGreeting, RestoredProcess, Sys } from "../../kernel/kernel.ts";
import type { TestPod } from "./test-pod.ts";

const KILLED: ExitStatus = { code: 137, signal: 9, userMicros: 0, systemMicros: 0, maxRssKib: 0 };

/** Launch id of the first process, beyond all that the test itself launches. */
export const FIRST_ID = 1_000_000;

/**
 * Plays the agent's death, and returns what its next one gets from init: the pod's deposits, and a running process for each container.
 * A signal ends such a process.
 */
export function afterDeath({ sandbox, kernel }: TestPod): { greeting: Partial<InitGreeting>; sys: Partial<Sys> } {
  const { sys, init } = kernel;
  const ids = sandbox.containers.map(({ id }) => id);
  for (const { processes } of sandbox.containers) for (const process of processes) process.destroy();
  for (const child of init.children) child.end();
  const deposits = new Map(init.greeting.deposits);
  for (const call of init.calls) if (call[0] === "deposit") deposits.set(call[1], call[2]);
  const exits = new Map<Fd, (status: ExitStatus) => void>();
  const closedPipe = (): Fd => {
    const { read, write } = sys.pipe();
    sys.close(write);
    return read;
  };
  const processes = ids.map((id, at): RestoredProcess => {
    const { promise: exit, resolve } = Promise.withResolvers<ExitStatus>();
    const pidfd = closedPipe();
    exits.set(pidfd, resolve);
    const label = JSON.stringify({ container: id, exec: id });
    return {
      id: FIRST_ID + at,
      pid: process.pid,
      pidfd,
      exit,
      label,
      kept: { stdout: closedPipe(), stderr: closedPipe() },
    };
  });
  const signal = (pidfd: Fd) => exits.get(pidfd)?.(KILLED);
  return { greeting: { deposits, processes }, sys: { signal } };
}
