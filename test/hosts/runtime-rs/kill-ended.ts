import type { HostCalls } from "../host-calls.ts";

const NOT_FOUND = 5;
const GONE = /no such process|process not found|init process not found|cannot find init process/i;

/** Kills a process that has ended; the shim expects an error that says so. */
export async function killEnded(calls: HostCalls, container_id: string, exec_id: string): Promise<void> {
  try {
    await calls.call("signalProcess", { container_id, exec_id, signal: 9 });
  } catch (error) {
    const { code, message } = error as { code?: number; message: string };
    if (code !== NOT_FOUND && !GONE.test(message)) throw error;
  }
}
