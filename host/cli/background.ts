import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "./cli-error.ts";
import { randomName } from "./random-name.ts";
import type { StateStore } from "./state-store.ts";

/** Set for the process in the background: the name that was chosen for what it runs, and the file of its output. */
const NAME = "GUESTCTL_BACKGROUND";
const OUTPUT = "GUESTCTL_OUTPUT";

/** Of an output's end: a container may have filled it. */
const LAST_BYTES = 16 * 1024;

/** The name that our starter chose, when this process is one in the background. */
export function backgroundName(): string | undefined {
  return process.env[NAME];
}

/** The file that our starter made for our output, when this process is one in the background. */
export function backgroundOutput(): string | undefined {
  return process.env[OUTPUT];
}

/** In the background: tells the starter that all is up; it then ends, and this process goes on. */
export function announceReady(): void {
  if (backgroundName() === undefined || process.send === undefined) return;
  process.send("ready", () => process.disconnect?.());
}

/** Returns where the output of a process in the background goes: a file that nothing has written to. */
export function outputFile(store: StateStore, guest: string, name: string): string {
  return join(store.directory(guest), `${randomName(name)}.out`);
}

/**
 * Runs this same command line again as a process of its own session, and resolves when that one says that all is up. Its
 * output goes to the new file `output`, which is removed when it fails before: then this throws CliError with its last line
 * and its exit code.
 */
export async function runInBackground(name: string, output: string): Promise<void> {
  const [script = "", ...args] = process.argv.slice(1);
  const file = openSync(output, "ax+", 0o600);
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], {
    detached: true,
    stdio: ["ignore", file, file, "ipc"],
    env: { ...process.env, [NAME]: name, [OUTPUT]: output },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("message", () => resolve());
      child.once("exit", (code) => {
        const message = lastLine(file) ?? `${name}: it ended before it was up`;
        reject(new CliError(message, { exitCode: code ?? undefined }));
      });
    });
  } catch (error) {
    rmSync(output, { force: true });
    throw error;
  } finally {
    closeSync(file);
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** By the descriptor: a guest that failed takes its directory away. */
function lastLine(file: number): string | undefined {
  const { size } = fstatSync(file);
  const text = Buffer.alloc(Math.min(size, LAST_BYTES));
  const length = readSync(file, text, 0, text.length, size - text.length);
  const last = text.toString("utf8", 0, length).trimEnd().split("\n").at(-1);
  return last === "" ? undefined : last?.replace(/^guestctl: /, "");
}
