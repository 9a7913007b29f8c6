import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ifThere } from "../../../lib/if-there.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import { guestctlModule } from "../../vm/paths.ts";
import { StateStore } from "../record/state-store.ts";
import { ask } from "./ask-keeper.ts";
import { findLost } from "./find-lost.ts";
import type { Request, Result } from "./keeper-operations.ts";

/** Operations of this user's supervisor for other programs. */
export interface SupervisorOperations {
  /** Takes every guest and container that no process keeps; resolves once it has, with a line for each that can't be taken. */
  adopt(request: Readonly<Record<string, never>>): Promise<{ readonly failures: readonly string[] }>;
  /** Ends a guest or container as SIGTERM to its guestctl would, and waits for that. False if the supervisor doesn't keep it. */
  end(request: { readonly guest: string; readonly id: string }): Promise<{ readonly isKept: boolean }>;
}

/** Names in the folder of this user's guests. */
export const SUPERVISOR_SOCKET = ".supervisor.sock";
const LOG = ".supervisor.log";
const POLL_MS = 20;
/** A container is killed after ten seconds, a power-off may take thirty. */
const END_MS = 60_000;
/** Milliseconds for a supervisor to start, on a machine with other work. */
const START_MS = 60_000;
/** Errors of a socket behind which no process listens, or has stopped to. */
const NOT_THERE = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"];

/** A supervisor that this process has started. */
interface Start {
  /** Set once it has ended without having served. */
  failure?: string;
}

/** The one that hasn't answered yet, however many calls wait for it. */
let starting: Start | undefined;

/**
 * Leaves every guest and container that no process keeps to this user's supervisor, which is started if none runs. Then guests are
 * kept, output is written, ends are recorded and restart policies obeyed. Returns one line for each that it can't take; guest and
 * container stay as they are. Never rejects.
 */
export async function supervise(store = new StateStore()): Promise<readonly string[]> {
  try {
    if (findLost(store).length === 0) return [];
  } catch {
    return []; // what needs the store reports it
  }
  try {
    return (await askStarted(store)).failures;
  } catch (error) {
    return [oneLine(error)];
  }
}

/** Has the supervisor end a guest or a container. False if no supervisor keeps it. */
export async function endSupervised(store: StateStore, guest: string, id: string): Promise<boolean> {
  const late = AbortSignal.timeout(END_MS);
  const answer = await askRunning(store, "end", { guest, id }, late).catch((error: unknown) => {
    if (!late.aborted) throw error;
    const why = `the supervisor hasn't ended it within ${END_MS / 1000} s`;
    throw new OperationError(`stop ${id}: ${why}; kill that process, its keeper in guestctl inspect, and try again`);
  });
  return answer?.isKept ?? false;
}

async function askStarted(store: StateStore): Promise<Result<SupervisorOperations, "adopt">> {
  let awaited: Start | undefined;
  for (const end = performance.now() + START_MS; performance.now() < end; await delay(POLL_MS)) {
    const answer = await askRunning(store, "adopt", {});
    if (answer !== undefined) {
      starting = undefined;
      return answer;
    }
    if (awaited?.failure !== undefined) break;
    starting ??= start(join(store.root, LOG));
    awaited = starting;
  }
  const why = awaited?.failure ?? `not within ${START_MS} ms`;
  throw new OperationError(`supervise guests: no supervisor starts: ${why}`);
}

/** Undefined if no supervisor runs. */
async function askRunning<Name extends keyof SupervisorOperations>(
  store: StateStore,
  operation: Name,
  request: Request<SupervisorOperations, Name>,
  signal?: AbortSignal,
): Promise<Result<SupervisorOperations, Name> | undefined> {
  try {
    return await ask<SupervisorOperations, Name>(join(store.root, SUPERVISOR_SOCKET), operation, request, signal);
  } catch (error) {
    if (NOT_THERE.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function start(log: string): Start {
  const own: Start = {};
  const onEnd = (how: number | string | null) => {
    if (starting !== own) return;
    starting = undefined;
    // With 0 another one serves, or this one had nothing to do.
    if (how !== 0) own.failure = `it ended with ${how}${lastLine(log)}; look at its log, ${log}`;
  };
  const output = openSync(log, "w", 0o600);
  const program = spawn(process.execPath, [guestctlModule(), "__supervise"], {
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  program.once("error", (error) => onEnd(error.message));
  program.once("exit", (code, signal) => onEnd(code ?? signal));
  program.unref();
  return own;
}

function lastLine(log: string): string {
  const line = ifThere(() => readFileSync(log, "utf8").trimEnd().split("\n").at(-1));
  return line ? `: ${line}` : "";
}
