import { thisProcess } from "../../../lib/process-owner.ts";
import { audit } from "../../audit/audit.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { attach } from "../../client/streams/attachment.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { withUsersOf } from "../../engine/guest/users-in.ts";
import type { StateStore } from "../../engine/record/state-store.ts";

/** Bytes of output that the agent keeps for the next page. */
export const KEPT_BYTES = 1 << 20;
/** The size is no part of the page's request: the agent compares all of a process to find out whether it runs already. */
const FIRST_SIZE = { rows: 24, columns: 80 };

/**
 * Starts a command with a terminal, unless it was started under this id before. Its output is kept while no page is attached.
 * Rejects with RpcError.
 */
export async function startExec(
  target: ContainerTarget,
  { exec, command, store }: { readonly exec: string; readonly command: readonly string[]; readonly store: StateStore },
  signal: AbortSignal,
): Promise<void> {
  audit("exec", { ...target, guest: target.guest?.name, exec });
  await using users = await withUsersOf(target, undefined);
  const process = execSpec(users.target, command, { terminal: FIRST_SIZE });
  const { address, dial } = streamsPlace(target);
  const { container } = target;
  // An observer takes no output from the page that attaches next.
  const attachment = attach(
    address,
    { container, exec, process, mode: "ring", keepBytes: KEPT_BYTES, observe: true },
    { dial, onData: () => undefined, onGap: () => undefined, signal },
  );
  const left = attachment.exit.catch(() => undefined);
  try {
    await attachment.attached;
    note(store, target, exec, command);
  } catch (error) {
    // It runs with a terminal of another program's choice.
    if (!(error instanceof RpcError && error.kind === "already-exists")) throw error;
  } finally {
    attachment.close();
    await left;
  }
}

/** Records an exec for `guestctl ps`, as `guestctl exec` does. */
function note(store: StateStore, { guest, container, record }: ContainerTarget, exec: string, args: readonly string[]) {
  if (guest === undefined || record === undefined) return;
  const { image, env, cwd, user, rootfs } = record;
  const rest = { image, env, cwd, user, rootfs, keeper: thisProcess(), startedAt: new Date().toISOString() };
  store.processes.write(guest.name, { container, exec, args, terminal: true, ...rest });
}
