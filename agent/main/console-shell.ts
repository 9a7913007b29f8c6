import type { Process } from "../container/process/process.ts";

/** A shell that ends sooner is restarted after a pause: on a console without input each shell ends at once. */
const SHORT_MS = 1000;
const MAX_PAUSE_MS = 30_000;

export interface ConsoleShellOptions {
  launch(): Promise<Process>;
  /** A shell of the last agent that still runs. */
  readonly found?: Process | undefined;
  /** Called with one line that says why no shell can be started. */
  onFailure(line: string): void;
  readonly shortMs?: number;
  readonly signal?: AbortSignal;
}

/** Keeps a shell running on the guest's console by restarting it. Resolves when no shell can be started. */
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
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }
}
