import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { thisProcess } from "../../../lib/process-owner.ts";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { OutputName, Position } from "../../client/streams/position.ts";
import { causeOfDeath, explainLostCall, findGuestEnd, guestDiedError, KILLED } from "../../guests/guest-death.ts";
import { containerRequest, type PreparedRun } from "../../guests/prepare-run.ts";
import { isRemovedContainer, throwIfRemoved } from "../../guests/removed-container.ts";
import { byStreamsOrCalls, streamsPlace } from "../../guests/streams-place.ts";
import type { RunOptions } from "../../image/image-config.ts";
import { oneLine } from "../../operation-error.ts";
import type { ProcessEnd, ProcessRecord } from "../../state/state-records.ts";
import { LOST, type StateStore } from "../../state/state-store.ts";
import { DEFAULT_DETACH_KEYS } from "../attach/detach-keys.ts";
import { LeftProcess } from "../attach/left-process.ts";
import { resumeLine } from "../attach/resume-line.ts";
import { serveStreams } from "../attach/serve-streams.ts";
import { CliError } from "../cli-error.ts";
import { exitCodeOf } from "../exit-code.ts";
import type { ContainerFlags } from "../flags/container-flags.ts";
import type { ProcessFlags } from "../flags/process-flags.ts";
import { createdContainer } from "./created-container.ts";
import type { Interrupts } from "./interrupts.ts";
import { memoryHint } from "./memory-hint.ts";
import { OutputPosition } from "./output-position.ts";
import { leaveAfter, serveProcess } from "./serve-process.ts";

export interface ContainerRun {
  readonly id: string;
  /** Name of the image, for display. */
  readonly image: string;
  readonly options: RunOptions;
  readonly flags: ProcessFlags & ContainerFlags & { readonly detachKeys?: Uint8Array };
  readonly interrupts: Interrupts;
  /** Set to keep the record after the container's end; these fields are for later runs. */
  readonly kept?: Pick<ProcessRecord, "request" | "restarts">;
  /** True if the kept record of an earlier run exists. */
  readonly isAgain?: boolean;
  /** Record of the container if it exists already, and its guestctl was killed. */
  readonly found?: ProcessRecord;
  /** Path of the output file, which is our stdout. */
  readonly output?: string | undefined;
  readonly volumes?: readonly string[];
  /** Called once the container runs. */
  readonly started: () => void;
}

interface ServedRun extends ContainerRun {
  readonly position: OutputPosition | undefined;
}

/** Time limit in milliseconds for the guest's death to show after the connection breaks. */
const DEATH_MS = 1000;
/** Longest timer of Node, 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const { SIGKILL } = constants.signals;
const REMOVE_SECONDS = 30;
const STDOUT = 1;
/** Time limit of CreateContainer, in milliseconds. An agent that a container's limit blocks answers nothing at all. */
const CREATE_MS = 120_000;
/** Exit code if another client has got the rest of the output, whatever the container's own is. */
const TAKEN_OVER = 125;

/**
 * Creates, starts, serves and removes a container, then ends what was prepared for it. Returns its exit code. For a
 * kept container, its record stays with exit code and output.
 */
export async function runContainer(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  const { client, guest } = prepared;
  const process_ = { container_id: run.id, exec_id: run.id };
  const name = { container: run.id, exec: run.id };
  const remove = () => client.agent.removeContainer({ container_id: run.id, timeout: REMOVE_SECONDS });
  let [created, started, isRecorded] = Array<boolean>(3).fill(run.found !== undefined);
  let isLeft = false;
  using position =
    run.output === undefined ? undefined : OutputPosition[run.found ? "find" : "begin"](run.output, STDOUT);
  let ended: ProcessEnd | undefined;
  // Signals go to the process as soon as it starts, including earlier ones.
  run.interrupts.handle((_signal, times) => leaveAfter(client, times));
  try {
    await (run.found ? startFound(run.found) : start());
    run.started();
    using _limit = killAfter(client, run);
    const { code, taken } = await serveOrWait(store, prepared, { ...run, position });
    // A removal by another command kills the container first, and only then do its calls tell.
    if (code === KILLED) await throwIfRemoved(client, run.id);
    const hint = code === KILLED ? await memoryHint(client, run.id) : undefined;
    if (hint !== undefined) process.stderr.write(`guestctl: ${hint}\n`);
    ended = { code, at: new Date().toISOString(), ...(hint === undefined ? {} : { why: hint }) };
    noteEnd(store, prepared, run, ended);
    await remove();
    created = false;
    await prepared.end();
    return taken ? TAKEN_OVER : code;
  } catch (error) {
    const cause = await causeOf(store, error, run.id, prepared);
    // Of a container that was found, only its end, its removal or a signal ends more than this guestctl.
    const isOver = cause instanceof Removed || prepared.died?.aborted === true || run.interrupts.any;
    if (run.found !== undefined && !isOver) isLeft = true;
    else if (cause instanceof LeftProcess) isLeft = prepared.leave !== undefined && prepared.died === undefined;
    if (isLeft) prepared.leave?.();
    // Left to `attach`, which would find nothing once another guestctl had removed it.
    const isHandedOver = isLeft && run.found === undefined && run.kept === undefined;
    if (isHandedOver && guest !== undefined) store.processes.update(guest, name, { keeper: undefined });
    if (isLeft || cause instanceof LeftProcess) created = false;
    if (started && !(cause instanceof Removed)) {
      ended ??= { code: LOST, at: new Date().toISOString(), why: causeOfDeath(cause) };
    } else if (run.isAgain && isRecorded && !(cause instanceof Removed)) {
      ended ??= { code: exitCodeOf(cause, "run"), at: new Date().toISOString(), why: oneLine(cause) };
    }
    if (created) await remove().catch(() => undefined);
    throw isLeft && !(cause instanceof LeftProcess) ? new LeftProcess("cut", oneLine(cause), { cause }) : cause;
  } finally {
    // Of a run again that never began, the record of the run before stays.
    if (!isLeft && (isRecorded || !run.isAgain)) noteEnd(store, prepared, run, ended);
  }

  /** Starts a container whose guestctl was killed just before or after it did: then the agent refuses. */
  async function startFound(found: ProcessRecord): Promise<void> {
    if (guest !== undefined) store.processes.update(guest, name, { keeper: thisProcess() });
    if (!found.created) return;
    await client.agent.startContainer({ container_id: run.id }).catch((error: unknown) => {
      if (!(error instanceof RpcError) || error.kind === "unavailable") throw error;
    });
  }

  async function start(): Promise<void> {
    const { OCI: spec, storages } = containerRequest(run.id, prepared, run.options);
    await client.agent.createContainer({ ...process_, OCI: spec, storages: [...storages] }, { timeoutMs: CREATE_MS });
    created = true;
    if (guest !== undefined) {
      isRecorded = true;
      store.processes.write(guest, createdContainer(spec, prepared, run));
      prepared.release?.();
    }
    await client.agent.startContainer({ container_id: run.id });
    started = true;
    if (guest !== undefined) store.processes.update(guest, name, { created: undefined });
  }
}

/** Kills the container's processes once `--timeout` has passed since its start, unless the returned object is disposed before. */
function killAfter({ agent }: AgentClient, { id, found, flags: { timeout } }: ContainerRun): Disposable {
  const kill = () => {
    process.stderr.write(`guestctl: container ${id}: killed, as it still ran after --timeout ${timeout}\n`);
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
  run: ServedRun,
): Promise<{ readonly code: number; readonly taken: boolean }> {
  try {
    return { code: await serve(store, prepared, run), taken: false };
  } catch (error) {
    if (!(error instanceof LeftProcess && error.kind === "taken-over")) throw error;
    process.stderr.write(`guestctl: ${oneLine(error)}\n`);
    const { status } = await prepared.client.agent.waitProcess({ container_id: run.id, exec_id: run.id });
    return { code: status, taken: true };
  }
}

async function serve(store: StateStore, prepared: PreparedRun, run: ServedRun): Promise<number> {
  const { id, interrupts, flags, position, found } = run;
  const { client, target, guest, died, leave } = prepared;
  const from = position && { from: position.from };
  // Of a container whose terminal is gone, output and input are left to `guestctl attach`.
  const again = found && (position === undefined ? { observe: true } : { takeover: true });
  const request = { container: id, ...from, ...again };
  const stdin = found ? "leave" : flags.interactive ? "pass" : "end";
  const name = { container: id, exec: id };
  const options = {
    ...({ name: `container ${id}`, stdin, interrupts, died } as const),
    onWritten: (written: OutputName, end: number) => position?.note(written, end),
    ...(leave && {
      detachKeys: flags.detachKeys ?? DEFAULT_DETACH_KEYS,
      resume: (from: Position) => resumeLine(target, name, from, flags),
    }),
    findDeath: () => (guest === undefined || died !== undefined ? undefined : findGuestEnd(store, guest)),
  };
  const calls = { container_id: id, exec_id: id };
  await prepared.resumed?.();
  const byStreams = () => serveStreams(streamsPlace(target), request, options);
  if (found) return await byStreams();
  return await byStreamsOrCalls(byStreams, () =>
    serveProcess(client, calls, { stdin, tty: flags.tty === true }, interrupts),
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
class Removed extends CliError {}

function removed(id: string, cause: unknown): Removed {
  return new Removed(`container ${id}: another command removed it`, { cause, exitCode: KILLED });
}

/** Returns why a call failed. A guest's end breaks the connection first; its cause is known a little later. */
async function causeOf(store: StateStore, error: unknown, id: string, { guest, died }: PreparedRun): Promise<unknown> {
  if (died?.aborted) return guest === undefined ? died.reason : guestDiedError(died.reason, guest);
  const isGone = error instanceof LeftProcess && error.kind === "gone";
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
