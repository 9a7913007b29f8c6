import { setTimeout as delay } from "node:timers/promises";
import { thisProcess } from "../../lib/process-owner.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { RpcError } from "../client/rpc-error.ts";
import { imageSpec, type RunOptions } from "../image/image-config.ts";
import { RESOLV_CONF_MOUNT } from "../sandbox/set-up-user-network.ts";
import { CliError } from "./cli-error.ts";
import type { Interrupts } from "./interrupts.ts";
import { deathOf, guestDied, KILLED, lostGuest } from "./lost-guest.ts";
import type { PreparedRun } from "./prepare-run.ts";
import type { ProcessFlags } from "./process-flags.ts";
import { leaveAfter, serveProcess } from "./serve-process.ts";
import type { ProcessEnd } from "./state-records.ts";
import { LOST, type StateStore } from "./state-store.ts";

export interface ContainerRun {
  readonly id: string;
  /** For people. */
  readonly image: string;
  readonly options: RunOptions;
  readonly flags: ProcessFlags;
  readonly interrupts: Interrupts;
  /** The notes on it stay after its end. */
  readonly kept: boolean;
  /** The file of its output. */
  readonly output?: string | undefined;
  readonly volumes?: readonly string[];
  /** Called when the container runs. */
  readonly started: () => void;
}

/** Milliseconds in which a broken connection turns out to be a guest that has ended. */
const DEATH_MS = 1000;
const REMOVE_SECONDS = 30;

/**
 * Creates, starts, serves and removes a container, then ends what was prepared for it. Returns its exit code. Of one that is
 * kept only the notes stay: exit code and output.
 */
export async function runContainer(store: StateStore, prepared: PreparedRun, run: ContainerRun): Promise<number> {
  const { client, guest } = prepared;
  const process_ = { container_id: run.id, exec_id: run.id };
  const remove = () => client.agent.removeContainer({ container_id: run.id, timeout: REMOVE_SECONDS });
  let created = false;
  let started = false;
  let ended: ProcessEnd | undefined;
  // From the start of the process on they go there, also those that come before.
  run.interrupts.take((_signal, times) => leaveAfter(client, times));
  try {
    const spec = specOf(prepared, run.options);
    await client.agent.createContainer({ ...process_, OCI: spec, storages: [...(prepared.storages ?? [])] });
    created = true;
    if (guest !== undefined) {
      store.writeProcess(guest, {
        container: run.id,
        exec: run.id,
        args: [...(spec.Process?.Args ?? [])],
        image: run.image,
        terminal: run.flags.tty === true,
        startedAt: new Date().toISOString(),
        rootfs: prepared.rootfs.host,
        env: [...(spec.Process?.Env ?? [])],
        cwd: spec.Process?.Cwd ?? "/",
        user: run.options.user ?? String(prepared.config["User"] ?? ""),
        keeper: thisProcess(),
        ...(run.kept ? { kept: true } : {}),
        ...(run.output === undefined ? {} : { output: run.output }),
        ...(run.volumes === undefined ? {} : { volumes: run.volumes }),
      });
    }
    await client.agent.startContainer({ container_id: run.id });
    run.started();
    started = true;
    const code = await serveProcess(client, process_, run.flags, run.interrupts);
    ended = { code, at: new Date().toISOString() };
    noteEnd(store, prepared, run, ended);
    await remove();
    created = false;
    await prepared.end();
    return code;
  } catch (error) {
    const cause = await causeOf(store, error, run.id, prepared);
    if (started && !(cause instanceof Removed)) {
      ended ??= { code: LOST, at: new Date().toISOString(), why: deathOf(cause) };
    }
    if (created) await remove().catch(() => undefined);
    throw cause;
  } finally {
    noteEnd(store, prepared, run, ended);
  }
}

/** Without an end the container never ran, or was removed. */
function noteEnd(store: StateStore, { guest }: PreparedRun, { id, kept }: ContainerRun, ended?: ProcessEnd): void {
  if (guest === undefined) return;
  const name = { container: id, exec: id };
  if (!kept || ended === undefined) store.removeProcess(guest, name);
  else store.endProcess(guest, name, ended);
}

/** The container was removed by another command. */
class Removed extends CliError {}

/** An agent that we did not boot may run where our limits can't be set: its own stay. */
function specOf(prepared: PreparedRun, options: RunOptions): Init<grpc.Spec> {
  const mounts = [...(prepared.network ? [RESOLV_CONF_MOUNT] : []), ...(prepared.mounts ?? [])];
  const spec = imageSpec(prepared, prepared.rootfs, { ...options, mounts });
  return prepared.guest === undefined ? { ...spec, Process: { ...spec.Process, Rlimits: [] } } : spec;
}

/** A guest that ends breaks the connection first; why it ended is known a little later. */
async function causeOf(store: StateStore, error: unknown, id: string, { guest, died }: PreparedRun): Promise<unknown> {
  if (!(error instanceof RpcError)) return error;
  if (guest !== undefined && died === undefined) {
    const lost = await lostGuest(store, guest, error);
    if (lost !== error) return lost;
  }
  const message = error.message.toLowerCase();
  if (
    message.startsWith("invalid container id: there is no") ||
    message.endsWith(`${id.toLowerCase()} is being removed`)
  ) {
    return new Removed(`container ${id}: it was removed meanwhile`, { cause: error, exitCode: KILLED });
  }
  if (died === undefined || error.kind !== "unavailable") return error;
  for (let waited = 0; waited < DEATH_MS && !died.aborted; waited += 50) await delay(50);
  if (!died.aborted) return error;
  return guest === undefined ? died.reason : guestDied(died.reason, guest);
}
