type Hook = () => void;

const hooks = new Set<Hook>();
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a synchronous clean-up when this process ends: by exit, an uncaught error, SIGINT, SIGTERM or SIGHUP. If the
 * process handles the signal itself, it decides when to end. Clean-ups run in reverse order, so that a program is
 * killed before its folder is removed; one that throws doesn't stop the others. Returns a function that cancels the
 * clean-up.
 */
export function onProcessEnd(hook: Hook): () => void {
  if (hooks.size === 0) {
    process.on("exit", runHooks);
    for (const name of signals) process.on(name, endBySignal);
  }
  hooks.add(hook);
  return () => {
    if (!hooks.delete(hook) || hooks.size > 0) return;
    process.off("exit", runHooks);
    for (const name of signals) process.off(name, endBySignal);
  };
}

function runHooks(): void {
  for (const hook of [...hooks].reverse()) {
    try {
      hook();
    } catch {
      // the process is ending: no one is left to report to
    }
  }
}

function endBySignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  runHooks();
  process.off(name, endBySignal);
  process.kill(process.pid, name);
}
