import { flushCompileCache } from "node:module";

/** A server creates much garbage and keeps little: with its usual sizes, V8 would take twice the memory. */
const FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=128"];

/** Runs this command line again in this process, with a small heap, unless it runs so already. */
export function useSmallHeap(): void {
  const { execPath, execArgv, argv, env } = process;
  if (process.execve === undefined || execArgv.includes(FLAGS[0] ?? "")) return;
  flushCompileCache(); // a process that is replaced doesn't reach its exit
  // Of glibc's arenas each would keep memory of its own.
  process.execve(execPath, [execPath, ...execArgv, ...FLAGS, ...argv.slice(1)], { ...env, MALLOC_ARENA_MAX: "1" });
}

/** Returns Node's options and the environment for another command, which has the usual heap. */
export function usualHeap(): { readonly execArgv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const { MALLOC_ARENA_MAX: _, ...env } = process.env;
  return { execArgv: process.execArgv.filter((flag) => !FLAGS.includes(flag)), env };
}
