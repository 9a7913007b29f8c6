import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 50;
/** Between two ^C: the fourth ends guestctl whatever it waits for. */
const INTERRUPT_MS = 1000;
const MAX_INTERRUPTS = 40;
/** Output that is kept to look for control characters. */
const KEPT_BYTES = 4 << 20;

export interface AttackedProgram {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit code or signal; undefined if it did not end. */
  readonly end: number | string | undefined;
  /** Most memory that was resident, in MiB. */
  readonly peakMib: number;
}

/**
 * Runs a program of Node in `folder`, whose every path of the user is below it. Lets it run for `runMs` after `reached`, then
 * interrupts it until it ends.
 */
export async function attackProgram(
  words: readonly string[],
  {
    folder,
    reached,
    runMs,
    input,
  }: { readonly folder: string; readonly reached: Promise<void>; readonly runMs: number; readonly input?: string },
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
    env: { ...process.env, ...places, NO_COLOR: "1" },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined).write(input ?? "");
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
  await Promise.race([reached, ended]);
  await Promise.race([sleep(runMs), ended]);
  for (let count = 0; end === undefined && count < MAX_INTERRUPTS; count++) {
    measure();
    child.kill("SIGINT");
    await Promise.race([sleep(INTERRUPT_MS), ended]);
  }
  clearInterval(timer);
  if (end === undefined) child.kill("SIGKILL");
  await ended;
  return { ...output, end: end === "SIGKILL" ? undefined : end, peakMib };
}

function residentMib(pid: number): number {
  try {
    const [, kib = "0"] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return Number(kib) / 1024;
  } catch {
    return 0; // it has ended
  }
}
