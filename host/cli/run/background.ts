import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { randomName } from "../../guests/random-name.ts";
import type { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { ownArguments, ownCommand } from "../own-command.ts";

/**
 * Environment variables of the background process: the container's or guest's name, the path of its output file, and the
 * descriptor of a lock that it holds until it is up.
 */
const NAME = "GUESTCTL_BACKGROUND";
const OUTPUT = "GUESTCTL_OUTPUT";
const LOCK = "GUESTCTL_LOCK";
/** Descriptor after that of the channel to the parent. */
const LOCK_FD = 4;

/** Limit for reading the end of an output file, which a container may have filled. */
const LAST_BYTES = 16 * 1024;

/** Returns the name that the parent chose, if this process runs in the background. */
export function backgroundName(): string | undefined {
  return process.env[NAME];
}

/** Returns the output file that the parent created, if this process runs in the background. */
export function backgroundOutput(): string | undefined {
  return process.env[OUTPUT];
}

/**
 * In a background process, reports to the parent that everything is up; the parent exits, this process keeps running.
 */
export function announceReady(): void {
  if (backgroundName() === undefined) return;
  const lock = Number(process.env[LOCK]);
  if (lock > 0) closeSync(lock);
  process.env[LOCK] = "";
  // Not if the parent was killed.
  if (process.connected) process.send?.("ready", () => process.disconnect?.());
}

interface BackgroundOptions {
  readonly words?: readonly string[];
  readonly append?: boolean;
  readonly lock?: number;
}

/** Returns the path of a new output file for a background process. */
export function outputFile(store: StateStore, guest: string, name: string): string {
  return join(store.directory(guest), `${randomName(name)}.out`);
}

/**
 * Runs this command line again, or `words`, as a process in its own session and resolves once that reports it is up. Its
 * output goes to the new file `output`, or with `append` to the end of an existing one. If it exits earlier, removes a
 * new file and throws CliError with the last line of output and the exit code. It holds `lock` until then, even if this
 * process ends.
 */
export async function runInBackground(
  name: string,
  output: string,
  { words, append = false, lock }: BackgroundOptions = {},
): Promise<void> {
  const file = openSync(output, append ? "a+" : "ax+", 0o600);
  const before = fstatSync(file).size;
  const child = spawn(process.execPath, ownCommand(words ?? ownArguments()), {
    detached: true,
    stdio: ["ignore", file, file, "ipc", ...(lock === undefined ? [] : [lock])],
    env: { ...process.env, [NAME]: name, [OUTPUT]: output, [LOCK]: lock === undefined ? "" : `${LOCK_FD}` },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("message", () => resolve());
      child.once("exit", (code) => {
        const message = lastLine(file, before) ?? `${name}: the background process exited before it was ready`;
        reject(new CliError(message, { exitCode: code ?? undefined }));
      });
    });
  } catch (error) {
    if (!append) rmSync(output, { force: true });
    throw error;
  } finally {
    closeSync(file);
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** Reads what was added behind `before`, through the descriptor, since a guest that failed removes its directory. */
function lastLine(file: number, before: number): string | undefined {
  const { size } = fstatSync(file);
  const text = Buffer.alloc(Math.min(Math.max(size - before, 0), LAST_BYTES));
  const length = readSync(file, text, 0, text.length, size - text.length);
  const last = text.toString("utf8", 0, length).trimEnd().split("\n").at(-1);
  return last === "" ? undefined : last?.replace(/^guestctl: /, "");
}
