import { statSync } from "node:fs";
import { dirname } from "node:path";
import { parseAddress } from "../../client/address.ts";
import { type AgentClient, type ConnectOptions, connect } from "../../client/agent-client.ts";
import { dial } from "../../client/dial.ts";
import { OperationError } from "../../operation-error.ts";
import { checkPrivateFolder } from "../../private-folder.ts";
import { Qmp } from "../../vm/qmp.ts";
import { type GuestRecord, type ProcessRecord, restOf } from "../record/state-records.ts";
import { openKept } from "../supervisor/open-kept.ts";

/** An agent: in a guest that a process of this user keeps, or at any address. */
export interface Target {
  readonly address: string;
  /** Undefined for an address, about which guestctl knows nothing. */
  readonly guest?: GuestRecord | undefined;
}

export interface ContainerTarget extends Target {
  readonly container: string;
  readonly record?: ProcessRecord | undefined;
}

/** Returns the guest with its agent's own address, for its keeper and for views: a connection there doesn't count as use, and waits while it is paused. */
export function unusedGuest(guest: GuestRecord): GuestRecord {
  return { ...guest, address: guest.direct ?? guest.address, idleMs: undefined, isPaused: undefined };
}

/** Connects to the agent, with the checks of `dialTarget`. */
export function connectTo(
  target: Target,
  options: Pick<ConnectOptions, "signal" | "again"> = {},
): Promise<AgentClient> {
  return connect(target.address, { ...options, dial: dialTarget(target) });
}

/**
 * Returns a `dial` for a target's ports. If the socket folder of one of our guests is replaced while connecting, it throws
 * OperationError without sending anything. Also throws FolderError, or an error of `openKept`.
 */
export function dialTarget({ address: api, guest }: Target): typeof dial {
  return (address, options) =>
    openKept(guest, async () => {
      if (guest === undefined) return dial(address, options);
      if (guest.isPaused) throw new OperationError(`guest ${guest.name}: ${restOf(guest)}`);
      const before = socketFolder(api);
      const socket = await dial(address, options);
      try {
        // If the folder is the same before and after, it was the same in between: only this user could have put it back.
        if (socketFolder(api) === before) return socket;
        throw new OperationError(`guest ${guest.name}: its socket was replaced while connecting; the guest is ending`);
      } catch (error) {
        socket.destroy();
        throw error;
      }
    });
}

/**
 * Checks that the socket of one of our guests is in a folder of this user, and returns its address: after a guest
 * ended, another user may take its name in /tmp. Throws FolderError.
 */
export function checkedAddress(text: string): string {
  socketFolder(text);
  return text;
}

/**
 * Returns the inode number of the folder of a guest's socket, or undefined if there is no folder. Throws FolderError.
 */
function socketFolder(text: string): bigint | undefined {
  const address = parseAddress(text);
  if (address.kind === "vsock") return undefined;
  const folder = checkPrivateFolder(dirname(address.path));
  return folder === undefined ? undefined : statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Connects to the control socket of one of our guests. Throws OperationError, FolderError or MachineError. */
export async function controlOf(guest: GuestRecord, signal?: AbortSignal): Promise<Qmp> {
  const { control = "", name } = guest;
  if (control === "" || checkPrivateFolder(dirname(control)) === undefined)
    throw new OperationError(`guest ${name}: its control socket is gone; the guest is ending`);
  return Qmp.connect(control, undefined, signal);
}

/** Returns the folder that one of our guests shares; it must belong to this user. Throws OperationError or FolderError. */
export function sharedFolderOf(guest: GuestRecord): string {
  const folder = guest.folder === undefined ? undefined : checkPrivateFolder(guest.folder);
  if (folder === undefined)
    throw new OperationError(`guest ${guest.name}: its shared folder is gone; the guest is ending`);
  return folder;
}
