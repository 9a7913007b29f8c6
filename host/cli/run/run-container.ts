import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { thisProcess } from "../../../lib/process-owner.ts";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { Position } from "../../client/streams/attachment.ts";
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
import { signalNumber } from "../flags/option-values.ts";
import type { ProcessFlags } from "../flags/process-flags.ts";
import type { Interrupts } from "./interrupts.ts";
import { memoryHint } from "./memory-hint.ts";
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
  /** Path of the output file. */
  readonly output?: string | undefined;
  readonly volumes?: readonly string[];
  /** Called once the container runs. */
  readonly started: () => void;
}

/** Time limit in milliseconds for the guest's death to show after the connection breaks. */
const DEATH_MS = 1000;
/** Longest timer of Node, 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const { SIGKILL } = constants.signals;
const REMOVE_SECONDS = 30;
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
  const remove = () => client.agent.removeContainer({ container_id: run.id, timeout: REMOVE_SECONDS });
  let created = false;
  let started = false;
  let isLeft = false;
  let isRecorded = false;
  let ended: ProcessEnd | undefined;
  // Signals go to the process as soon as it starts, including earlier ones.
  run.interrupts.handle((_signal, times) => leaveAfter(client, times));
  try {
    const { OCI: spec, storages } = containerRequest(run.id, prepared, run.options);
    await client.agent.createContainer({ ...process_, OCI: spec, storages: [...storages] }, { timeoutMs: CREATE_MS });
    created = true;
    if (guest !== undefined) {
      isRecorded = true;
      store.processes.write(guest, {
        container: run.id,
        exec: run.id,
        args: [...(spec.Process?.Args ?? [])],
        image: run.image,
        terminal: run.flags.tty === true,
        startedAt: new Date().toISOString(),
        rootfs: prepared.rootfs.host,
        ...(prepared.layer === undefined ? {} : { layer: prepared.layer }),
        env: [...(spec.Process?.Env ?? [])],
        cwd: spec.Process?.Cwd ?? "/",
        user: run.options.user ?? String(prepared.config["User"] ?? ""),
        keeper: thisProcess(),
        ...(run.kept === undefined ? {} : { kept: true, ...run.kept }),
        ...(run.output === undefined ? {} : { output: run.output }),
        ...stopping(run.flags, prepared),
        ...(run.flags.label === undefined ? {} : { labels: run.flags.label }),
        ...(run.volumes === undefined ? {} : { volumes: run.volumes }),
      });
    }
    await client.agent.startContainer({ container_id: run.id });
    run.started();
    started = true;
    using _limit = killAfter(client, run);
    const { code, taken } = await serveOrWait(store, prepared, run);
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
    if (cause instanceof LeftProcess) {
      created = false;
      prepared.leave?.();
      isLeft = prepared.leave !== undefined;
    }
    if (started && !(cause instanceof Removed)) {
      ended ??= { code: LOST, at: new Date().toISOString(), why: causeOfDeath(cause) };
    } else if (run.isAgain && isRecorded && !(cause instanceof Removed)) {
      ended ??= { code: exitCodeOf(cause, "run"), at: new Date().toISOString(), why: oneLine(cause) };
    }
    if (created) await remove().catch(() => undefined);
    throw cause;
  } finally {
    // Of a run again that never began, the record of the run before stays.
    if (!isLeft && (isRecorded || !run.isAgain)) noteEnd(store, prepared, run, ended);
  }
}

/** Returns how `guestctl stop` ends the container, if the flags or the image say so. */
function stopping({ stopSignal, stopTimeout }: ContainerFlags, { config }: PreparedRun) {
  const signal = stopSignal ?? imageSignal(config["StopSignal"]);
  return {
    ...(signal === undefined ? {} : { stopSignal: signal }),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
  };
}

/** Returns the number of an image's StopSignal; undefined if it has none, or one that doesn't exist. */
function imageSignal(text: unknown): number | undefined {
  try {
    return typeof text === "string" && text !== "" ? signalNumber(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Kills the container's processes once `--timeout` has passed, unless the returned object is disposed before. */
function killAfter({ agent }: AgentClient, { id, flags: { timeout } }: ContainerRun): Disposable {
  const kill = () => {
    process.stderr.write(`guestctl: container ${id}: killed, as it still ran after --timeout ${timeout}\n`);
    agent.signalProcess({ container_id: id, exec_id: "", signal: SIGKILL }).catch(() => undefined);
  };
  const timer = timeout === undefined ? undefined : setTimeout(kill, Math.min(timeout * 1000, MAX_TIMER_MS));
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
  try {
    return { code: await serve(store, prepared, run), taken: false };
  } catch (error) {
    if (!(error instanceof LeftProcess && error.kind === "taken-over")) throw error;
    process.stderr.write(`guestctl: ${oneLine(error)}\n`);
    const { status } = await prepared.client.agent.waitProcess({ container_id: run.id, exec_id: run.id });
    return { code: status, taken: true };
  }
}

function serve(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  const { id, interrupts, flags } = run;
  const { client, target, guest, died, leave } = prepared;
  const stdin = flags.interactive ? "pass" : "end";
  const name = { container: id, exec: id };
  const options = {
    ...({ name: `container ${id}`, stdin, interrupts, died } as const),
    ...(leave && {
      detachKeys: flags.detachKeys ?? DEFAULT_DETACH_KEYS,
      resume: (from: Position) => resumeLine(target, name, from, flags),
    }),
    findDeath: () => (guest === undefined || died !== undefined ? undefined : findGuestEnd(store, guest)),
  };
  const calls = { container_id: id, exec_id: id };
  return byStreamsOrCalls(
    () => serveStreams(streamsPlace(target), { container: id }, options),
    () => serveProcess(client, calls, { stdin, tty: flags.tty === true }, interrupts),
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
