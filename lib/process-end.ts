type Hook = () => void;

const hooks = new Set<Hook>();
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a synchronous clean-up when this process ends: by exit, by an uncaught error, or by SIGINT, SIGTERM or SIGHUP.
 * A process with a handler of its own for the signal decides itself when it ends. One that throws keeps no other from its
 * work, and the last one runs first: a program is killed before the folder it writes to is removed. Returns the way to call
 * it off.
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
      // nobody is left who could be told
    }
  }
}

function endBySignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  runHooks();
  process.off(name, endBySignal);
  process.kill(process.pid, name);
}
