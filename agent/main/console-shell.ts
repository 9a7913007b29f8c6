import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "../container/process/process.ts";

/** A shell that ends sooner is not started again at once: a console without anybody is at its end each time. */
const SHORT_MS = 1000;
const MAX_PAUSE_MS = 30_000;

export interface ConsoleShellOptions {
  launch(): Promise<Process>;
  /** One of an agent before, which goes on. */
  readonly found?: Process | undefined;
  /** One line: why there is none. */
  onFailure(line: string): void;
  readonly shortMs?: number;
  readonly signal?: AbortSignal;
}

/** Keeps a shell on the guest's console: one that ends is followed by another. Resolves when none can be had. */
export async function keepConsoleShell({
  launch,
  found,
  onFailure,
  shortMs = SHORT_MS,
  signal,
}: ConsoleShellOptions): Promise<void> {
  let next = found;
  for (let pause = shortMs; signal?.aborted !== true; ) {
    const began = performance.now();
    try {
      const shell = next ?? (await launch());
      next = undefined;
      await shell.exit;
      shell.destroy();
    } catch (error) {
      onFailure(`agent.debug_console: no shell on /dev/console: ${(error as Error).message}`);
      return;
    }
    if (performance.now() - began >= shortMs) pause = shortMs;
    else {
      await sleep(pause, undefined, { ref: false });
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }
}
