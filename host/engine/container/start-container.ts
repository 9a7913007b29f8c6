import { isSameProcess, NOBODY, thisProcess } from "../../../lib/process-owner.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { removeFromAgent } from "../../client/remove-container.ts";
import type { CallOptions } from "../../client/rpc-channel.ts";
import { type ErrorKind, RpcError } from "../../client/rpc-error.ts";
import type { RunOptions } from "../image/image-config.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { containerRequest, type PreparedRun } from "./prepare-run.ts";
import { isRemovedContainer } from "./removed-container.ts";

/** A container to create. */
export interface NewContainer {
  readonly id: string;
  /** Name of the image, for display. */
  readonly image: string;
  readonly options: RunOptions;
  /** Further fields of its record. */
  readonly record?: Partial<ProcessRecord>;
  /** True if the kept record of an earlier run exists. */
  readonly isAgain?: boolean | undefined;
}

/** Time limit of CreateContainer, in milliseconds. An agent that a container's limit blocks answers nothing at all. */
const CREATE_MS = 120_000;
/** Milliseconds for the agent to remove a container that could not be started. */
const UNDO_MS = 10_000;

/**
 * Creates and starts a prepared container, and returns its record. The record is written before the agent knows the container, so
 * that the supervisor removes what a killed process has begun. If this fails, the agent has no such container, unless it didn't
 * answer: then `isLeftBegun`. The record stays.
 */
export async function startContainer(
  store: StateStore,
  prepared: PreparedRun,
  container: NewContainer,
  limits: CallOptions = { timeoutMs: CREATE_MS },
): Promise<ProcessRecord> {
  const { client, guest } = prepared;
  const { id, options, isAgain } = container;
  const name = { container_id: id, exec_id: id };
  const { OCI, storages } = containerRequest(id, prepared, options);
  const record = recordOf(OCI, prepared, container);
  await using undo = new AsyncDisposableStack();
  if (isAgain) await removeIfThere(prepared, id);
  else if (guest !== undefined) store.processes.write(guest, { ...record, starting: true });
  const creating = client.agent.createContainer({ ...name, OCI, storages: [...storages] }, limits);
  await creating.catch(async (error: unknown) => {
    if (isUnanswered(error)) await removeOrLeave(store, prepared, container);
    throw error;
  });
  undo.defer(() => removeOrLeave(store, prepared, container));
  if (guest !== undefined) {
    store.processes.write(guest, record);
    await prepared.release?.();
  }
  await client.agent.startContainer({ container_id: id }, limits);
  if (guest !== undefined) store.processes.update(guest, { container: id, exec: id }, { created: undefined });
  undo.move();
  return record;
}

/** Removes a container that a killed process may have created. Throws RpcError. */
export async function removeIfThere(
  { client }: Pick<PreparedRun, "client">,
  id: string,
  limits?: CallOptions,
): Promise<void> {
  await removeFromAgent(client, id, limits).catch((error: unknown) => {
    if (!isRemovedContainer(error)) throw error;
  });
}

/** Removes a container that could not be started; if its agent doesn't answer, leaves that to the supervisor. */
async function removeOrLeave(store: StateStore, prepared: PreparedRun, { id, isAgain }: NewContainer): Promise<void> {
  const { guest, leave } = prepared;
  if (leave === undefined) return; // its own guest ends
  await removeIfThere(prepared, id, { timeoutMs: UNDO_MS }).catch(() => {
    leave();
    if (guest === undefined) return;
    if (isAgain) return; // the next run begins with the removal
    store.processes.update(guest, { container: id, exec: id }, { starting: true, keeper: NOBODY });
  });
}

const UNANSWERED: readonly ErrorKind[] = ["unavailable", "deadline-exceeded", "canceled"];

/** True if a container may exist although its creation failed. */
function isUnanswered(error: unknown): boolean {
  return error instanceof RpcError && UNANSWERED.includes(error.kind);
}

/** True for a container whose removal was left to the supervisor. */
export function isLeftBegun(store: StateStore, { guest }: Pick<PreparedRun, "guest">, id: string): boolean {
  const record = guest === undefined ? undefined : store.processes.list(guest).find(({ exec }) => exec === id);
  return record?.starting === true && isSameProcess(record.keeper, NOBODY);
}

/** Returns the record of a container that this process creates and will start. */
function recordOf(
  { Process: process }: Init<grpc.Spec>,
  { rootfs, config, layer, directory }: PreparedRun,
  { id, image, options, record }: NewContainer,
): ProcessRecord {
  return {
    container: id,
    exec: id,
    args: [...(process?.Args ?? [])],
    image,
    terminal: process?.Terminal ?? false,
    startedAt: new Date().toISOString(),
    rootfs: rootfs.host,
    layer,
    directory,
    env: [...(process?.Env ?? [])],
    cwd: process?.Cwd ?? "/",
    user: options.user ?? String(config["User"] ?? ""),
    keeper: thisProcess(),
    created: true,
    ...record,
  };
}
