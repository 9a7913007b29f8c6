import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The only variables of what runs in another system's root. */
export const ENVIRONMENT = { HOME: "/root", PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };
/** Shell that prints a command's times as the last line of stderr. */
export const TIMED = 'TIMEFORMAT="%R %U %S"; time "$@"';
/** A step that takes longer is killed, with all its processes. */
const LIMIT_MS = 1_500_000;

/** A command that ended: its outputs and times, in seconds. `processor` is user and system time. */
export interface Step {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsed: number;
  readonly processor: number;
}

/** Returns the words that run a command in namespaces that end with it or with this process. */
export function inNamespaces(command: readonly string[]): readonly string[] {
  const namespaces = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"];
  return ["setpriv", "--pdeathsig=KILL", "--", ...namespaces, "--", ...command];
}

/** Runs a command that prints its times last. */
export async function timed([program = "", ...words]: readonly string[]): Promise<Step> {
  const options = { env: ENVIRONMENT, timeout: LIMIT_MS, killSignal: "SIGKILL", maxBuffer: 1 << 26 } as const;
  const done = await promisify(execFile)(program, words, options).then(
    (outputs) => ({ ...outputs, code: 0 }),
    (error: { readonly code?: unknown; readonly stdout: string; readonly stderr: string }) => error,
  );
  const [, stderr = done.stderr, elapsed, user, system] =
    /^([\s\S]*?)([\d.]+) ([\d.]+) ([\d.]+)\n$/.exec(done.stderr) ?? [];
  return {
    status: typeof done.code === "number" ? done.code : -1,
    stdout: done.stdout,
    stderr,
    elapsed: Number(elapsed),
    processor: Number(user) + Number(system),
  };
}
