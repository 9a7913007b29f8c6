import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 50;
/** Between two ^C: the fourth ends guestctl whatever it waits for. */
const INTERRUPT_MS = 1000;
const MAX_INTERRUPTS = 40;
/** Until the program is connected with the agent, and for its client. */
const [REACH_MS, USE_MS] = [60_000, 90_000];
/** Output that is kept to look for control characters. */
const KEPT_BYTES = 4 << 20;

export interface AttackedProgram {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit code or signal; undefined if it did not end. */
  readonly end: number | string | undefined;
  /** Most memory that was resident, in MiB. */
  readonly peakMib: number;
  /** False if it ended, or its time was over, before it was connected with the agent. */
  readonly isReached: boolean;
  /** Error of its client. */
  readonly failure: string | undefined;
}

/** Uses a program that serves clients, whose output is added to `printed`. */
export type Use = (child: ChildProcess, printed: { readonly stdout: string }) => Promise<void>;

/**
 * Runs a program of Node in `folder`, whose every path of the user is below it. Lets it run for `runMs` after `reached`, or until
 * its client is done, then interrupts it until it ends.
 */
export async function attackProgram(
  words: readonly string[],
  {
    folder,
    reached,
    runMs,
    use,
  }: {
    readonly folder: string;
    readonly reached: Promise<void>;
    readonly runMs: number;
    readonly use?: Use | undefined;
  },
): Promise<AttackedProgram> {
  const cwd = join(folder, "here");
  mkdirSync(cwd, { recursive: true });
  const places = {
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    XDG_CACHE_HOME: folder,
    XDG_CONFIG_HOME: folder,
    TMPDIR: folder,
  };
  // A young generation of the usual size counts for up to 48 MiB that are only not collected yet.
  const child = spawn(process.execPath, ["--max-semi-space-size=1", ...words], {
    cwd,
    env: { ...process.env, ...places, NO_COLOR: "1", SSH_AUTH_SOCK: "" },
    stdio: [use === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined);
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (chunk: Buffer) => {
      if (output[name].length < KEPT_BYTES) output[name] += chunk.toString();
    });
  }
  let end: number | string | undefined;
  const ended = once(child, "close").then(([code, signal]) => {
    end = (code ?? signal) as number | string;
  });
  let peakMib = 0;
  const measure = () => {
    peakMib = Math.max(peakMib, residentMib(child.pid ?? 0));
  };
  const timer = setInterval(measure, POLL_MS);
  let failure: string | undefined;
  const used = use?.(child, output).catch((error: Error) => {
    failure = error.stack;
  });
  let isReached = false;
  const connected = reached.then(() => {
    isReached = true;
  });
  await Promise.race([connected, ended, sleep(REACH_MS)]);
  await Promise.race([used ?? sleep(runMs), ended, sleep(USE_MS)]);
  for (let count = 0; end === undefined && count < MAX_INTERRUPTS; count++) {
    measure();
    child.kill("SIGINT");
    await Promise.race([sleep(INTERRUPT_MS), ended]);
  }
  clearInterval(timer);
  if (end === undefined) child.kill("SIGKILL");
  await ended;
  return { ...output, end: end === "SIGKILL" ? undefined : end, peakMib, isReached, failure };
}

/** Resolves with what `find` returns, or rejects if the program ends before. */
export async function until<T>(child: ChildProcess, find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended before its client came");
    await sleep(POLL_MS);
  }
}

function residentMib(pid: number): number {
  try {
    const [, kib = "0"] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return Number(kib) / 1024;
  } catch {
    return 0; // it has ended
  }
}
