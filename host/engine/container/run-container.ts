import { constants } from "node:os";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { MAX_TIMER_MS } from "../../../lib/max-timer.ts";
import type { AgentClient } from "../../client/agent-client.ts";
import { removeFromAgent } from "../../client/remove-container.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { OutputName, Position } from "../../client/streams/position.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import { DEFAULT_DETACH_KEYS } from "../attach/detach-keys.ts";
import type { Interrupts } from "../attach/interrupts.ts";
import { LeftProcess } from "../attach/left-process.ts";
import { resumeLine } from "../attach/resume-line.ts";
import { leaveAfter, serveProcess } from "../attach/serve-process.ts";
import { serveStreams } from "../attach/serve-streams.ts";
import { causeOfDeath, explainLostCall, findGuestEnd, guestDiedError, KILLED } from "../guest/guest-death.ts";
import { Suspended } from "../guest/sandbox-guest.ts";
import { byStreamsOrCalls, streamsPlace } from "../guest/streams-place.ts";
import type { RunOptions } from "../image/image-config.ts";
import type { ProcessEnd, ProcessRecord } from "../record/state-records.ts";
import { LOST, type StateStore } from "../record/state-store.ts";
import { failureCode } from "./failure-code.ts";
import { memoryHint } from "./memory-hint.ts";
import type { OutputFile } from "./output-file.ts";
import type { PreparedRun } from "./prepare-run.ts";
import { isRemovedContainer, throwIfRemoved } from "./removed-container.ts";
import { isLeftBegun, startContainer } from "./start-container.ts";

/** How a container is served. */
export interface ServeFlags {
  readonly interactive?: true;
  readonly tty?: true;
  /** Seconds after which it is killed. */
  readonly timeout?: number;
  readonly detachKeys?: Uint8Array;
}

export interface ContainerRun {
  readonly id: string;
  /** Name of the image, for display. */
  readonly image: string;
  readonly options: RunOptions;
  readonly flags: ServeFlags;
  readonly interrupts: Interrupts;
  /** Set to keep the record after the container's end; these fields are for later runs. */
  readonly kept?: Pick<ProcessRecord, "request" | "restarts"> | undefined;
  /** True if the kept record of an earlier run exists. */
  readonly isAgain?: boolean | undefined;
  /** Record of the container if another guestctl has started it. */
  readonly found?: ProcessRecord;
  /** Output file of a detached container that was found. */
  readonly file?: OutputFile | undefined;
  /** Path of a detached container's output file. */
  readonly output?: string | undefined;
  /** Where its output and messages about it go. */
  readonly stdio: RunStdio;
  /** Further fields of its record. */
  readonly record?: Partial<ProcessRecord>;
  /** Called once the container runs. */
  readonly started: () => void;
}

/** Where the output of a container goes, and what guestctl says about it. */
export interface RunStdio {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Time limit in milliseconds for the guest's death to show after the connection breaks. */
const DEATH_MS = 1000;
const { SIGKILL } = constants.signals;
/** Exit code if another client has got the rest of the output, whatever the container's own is. */
const TAKEN_OVER = 125;

/** Creates, starts, serves and removes a container, then ends what was prepared for it. Returns its exit code. */
export async function runContainer(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  await startRun(store, prepared, run);
  run.started();
  return await serveRun(store, prepared, run);
}

/** Creates and starts a container. If that fails, removes it; its record stays only if it ran before. */
export async function startRun(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<void> {
  const { id, image, options, isAgain, output, kept } = run;
  const record = { ...run.record, output, ...(kept && { kept: true as const, ...kept }) };
  // Signals go to the process as soon as it starts, including earlier ones.
  run.interrupts.handle((_signal, times) => leaveAfter(prepared.client, times));
  try {
    await startContainer(store, prepared, { id, image, options, isAgain, record });
  } catch (error) {
    const cause = await causeOf(store, error, id, prepared);
    const failed = { code: failureCode(cause), at: new Date().toISOString(), why: oneLine(cause) };
    const isLeft = isLeftBegun(store, prepared, id);
    if (!isLeft) noteEnd(store, prepared, run, isAgain && !(cause instanceof Removed) ? failed : undefined);
    throw cause;
  }
}

/** Starts a container whose guestctl was killed just before or after it did: then the agent refuses. */
export async function startFound({ client }: PreparedRun, { container, created }: ProcessRecord): Promise<void> {
  if (!created) return;
  await client.agent.startContainer({ container_id: container }).catch((error: unknown) => {
    if (!(error instanceof RpcError) || error.kind === "unavailable") throw error;
  });
}

/**
 * Serves a started container to its end, removes it, and ends what was prepared for it. Returns its exit code. Throws LeftProcess
 * if the container may still run: one that was found can be served again.
 */
export async function serveRun(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  const { client, guest } = prepared;
  let ended: ProcessEnd | undefined;
  try {
    const { code, taken } = await serveOrWait(store, prepared, run);
    // A removal by another command kills the container first, and only then do its calls tell.
    if (code === KILLED) await throwIfRemoved(client, run.id);
    const hint = code === KILLED ? await memoryHint(client, run.id) : undefined;
    if (hint !== undefined) run.stdio.stderr.write(`guestctl: ${hint}\n`);
    ended = { code, at: new Date().toISOString(), why: hint };
    noteEnd(store, prepared, run, ended);
    await removeFromAgent(client, run.id);
    await prepared.end();
    return taken ? TAKEN_OVER : code;
  } catch (error) {
    const cause = await causeOf(store, error, run.id, prepared);
    if (isLeft(prepared, run, cause)) {
      prepared.leave?.();
      // Left to `attach`, which would find nothing once another guestctl had removed it.
      const isHandedOver = run.found === undefined && run.kept === undefined && guest !== undefined;
      if (isHandedOver) store.processes.update(guest, { container: run.id, exec: run.id }, { keeper: undefined });
      throw cause instanceof LeftProcess ? cause : new LeftProcess("cut", oneLine(cause), { cause });
    }
    ended ??= { code: LOST, at: new Date().toISOString(), why: causeOfDeath(cause) };
    noteEnd(store, prepared, run, cause instanceof Removed ? undefined : ended);
    if (!(cause instanceof LeftProcess)) await removeFromAgent(client, run.id).catch(() => undefined);
    throw cause;
  }
}

/** True if a container that could not be served to its end keeps running without this guestctl. */
function isLeft({ leave, died }: PreparedRun, { found, interrupts }: ContainerRun, cause: unknown): boolean {
  if (found === undefined) return cause instanceof LeftProcess && leave !== undefined && died === undefined;
  if (cause instanceof Suspended || died?.reason instanceof Suspended) return true;
  // Only its end, its removal or a signal ends more than this guestctl.
  return !(cause instanceof Removed || died?.aborted === true || interrupts.any);
}

/** Kills the container's processes once `--timeout` has passed since its start, unless the returned object is disposed before. */
function killAfter({ agent }: AgentClient, { id, found, flags: { timeout }, stdio }: ContainerRun): Disposable {
  const kill = () => {
    stdio.stderr.write(`guestctl: container ${id}: killed, as it still ran after --timeout ${timeout}\n`);
    agent.signalProcess({ container_id: id, exec_id: "", signal: SIGKILL }).catch(() => undefined);
  };
  const past = found === undefined ? 0 : Date.now() - Date.parse(found.startedAt);
  const left = timeout === undefined ? undefined : Math.max(timeout * 1000 - past, 0);
  const timer = left === undefined ? undefined : setTimeout(kill, Math.min(left, MAX_TIMER_MS));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * Connects the started container to our stdio until it ends. If another client takes over, prints that and waits, since
 * the container's guest and files end with this guestctl.
 */
async function serveOrWait(
  store: StateStore,
  prepared: PreparedRun,
  run: ContainerRun,
): Promise<{ readonly code: number; readonly taken: boolean }> {
  using _limit = killAfter(prepared.client, run);
  try {
    return { code: await serve(store, prepared, run), taken: false };
  } catch (error) {
    if (!(error instanceof LeftProcess && error.left === "taken-over")) throw error;
    run.stdio.stderr.write(`guestctl: ${oneLine(error)}\n`);
    const { status } = await prepared.client.agent.waitProcess({ container_id: run.id, exec_id: run.id });
    return { code: status, taken: true };
  }
}

async function serve(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  const { id, interrupts, flags, file, found } = run;
  const { client, target, guest, died, leave } = prepared;
  const { stdout, stderr } = run.stdio;
  const from = file && { from: file.from };
  // Of a container whose terminal is gone, output and input are left to `guestctl attach`.
  const again = found && (file === undefined ? { observe: true } : { takeover: true });
  const request = { container: id, ...from, ...again };
  const stdin = flags.interactive ? (found ? "leave" : "pass") : "end";
  const name = { container: id, exec: id };
  const options = {
    ...({ name: `container ${id}`, stdin, interrupts, died, stdout, stderr } as const),
    onWritten: (written: OutputName, end: number) => file?.note(written, end),
    ...(leave && {
      detachKeys: flags.detachKeys ?? DEFAULT_DETACH_KEYS,
      resume: (from: Position) => resumeLine(target, name, from, flags),
    }),
    findDeath: () =>
      prepared.findSuspension?.() ??
      (guest === undefined || died !== undefined ? undefined : findGuestEnd(store, guest)),
  };
  const calls = { container_id: id, exec_id: id };
  await prepared.resumed?.();
  const byStreams = () => serveStreams(streamsPlace(target), request, options);
  if (found && file === undefined) return await byStreams();
  return await byStreamsOrCalls(byStreams, () =>
    serveProcess(client, calls, { stdin, tty: flags.tty === true, stdout, stderr }, interrupts),
  );
}

/** Records the end. Without an end, the container never ran or was removed, so its record is removed. */
function noteEnd(store: StateStore, { guest }: PreparedRun, { id, kept }: ContainerRun, ended?: ProcessEnd): void {
  if (guest === undefined) return;
  const name = { container: id, exec: id };
  if (kept === undefined || ended === undefined) store.removeProcess(guest, name);
  else store.processes.end(guest, name, ended);
}

/** Thrown when another command removed the container. */
class Removed extends OperationError {}

function removed(id: string, cause: unknown): Removed {
  return new Removed(`container ${id}: another command removed it`, { cause, exitCode: KILLED });
}

/** Returns why a call failed. A guest's end breaks the connection first; its cause is known a little later. */
async function causeOf(store: StateStore, error: unknown, id: string, { guest, died }: PreparedRun): Promise<unknown> {
  if (died?.aborted) return guest === undefined ? died.reason : guestDiedError(died.reason, guest);
  const isGone = error instanceof LeftProcess && error.left === "gone";
  if (isGone && guest !== undefined && died === undefined) {
    const end = findGuestEnd(store, guest);
    if (end !== undefined) return end;
  }
  if (isGone) return removed(id, error);
  if (!(error instanceof RpcError)) return error;
  if (guest !== undefined && died === undefined) {
    const lost = await explainLostCall(store, guest, error);
    if (lost !== error) return lost;
  }
  if (isRemovedContainer(error)) return removed(id, error);
  if (died === undefined || error.kind !== "unavailable") return error;
  for (let waited = 0; waited < DEATH_MS && !died.aborted; waited += 50) await delay(50);
  if (!died.aborted) return error;
  return guest === undefined ? died.reason : guestDiedError(died.reason, guest);
}
