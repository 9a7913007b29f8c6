import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import { parseAddress } from "../client/address.ts";
import { type AgentClient, connect } from "../client/agent-client.ts";
import { checkPrivateFolder } from "../private-folder.ts";
import { CliError } from "./cli-error.ts";
import type { GuestRecord, ProcessRecord } from "./state-records.ts";
import type { StateStore } from "./state-store.ts";

/** Which agent is meant: a guest that guestctl keeps, or any address. */
export interface TargetFlags {
  readonly guest?: string;
  readonly address?: string;
}

export interface Target {
  readonly address: string;
  /** Undefined for an address, of which nothing is known. */
  readonly guest?: GuestRecord;
}

export interface ContainerTarget extends Target {
  readonly container: string;
  readonly record?: ProcessRecord;
}

const NO_GUEST = "no guest is running: start one with guestctl boot";

/** The two options that say which guest, on a command. */
export function withTarget(command: Command, guest = "the guest (default: the only one that runs)"): Command {
  return command
    .option("-g, --guest <name>", guest)
    .option("--address <address>", "an agent: unix:///path, unix://@name, vsock://cid:port or hvsock:///path:port");
}

/** The guest that the options mean. Throws CliError when none or several could be; `remedy` says what to do about several. */
export function findTarget(store: StateStore, flags: TargetFlags, remedy = "add --guest with one of"): Target {
  if (flags.address !== undefined) return addressTarget(flags.address, flags.guest);
  const guests = candidates(store, flags);
  const [guest, second] = guests;
  if (guest === undefined) throw new CliError(NO_GUEST);
  if (second !== undefined) throw new CliError(`several guests are running: ${remedy} ${list(guests)}`);
  return { address: guest.address, guest };
}

/** The same among those that ended and are kept, too, where a name is given. */
export function findKeptTarget(store: StateStore, flags: TargetFlags): Target {
  const guest = store.endedGuests().find(({ name }) => name === flags.guest);
  return guest === undefined ? findTarget(store, flags) : { address: guest.address, guest };
}

/**
 * The container whose id is, or begins with, `text`, in the guest that the options mean or in any. Throws CliError, also for
 * one that has ended.
 */
export function findContainer(store: StateStore, flags: TargetFlags, text: string): ContainerTarget {
  const target = findAnyContainer(store, flags, text);
  const ended = target.record?.ended;
  if (ended === undefined) return target;
  throw new CliError(`container ${target.container}: it is not running: it ended with exit code ${ended.code}`);
}

/** The same with those that have ended and are kept. */
export function findAnyContainer(store: StateStore, flags: TargetFlags, text: string): ContainerTarget {
  if (flags.address !== undefined) return { ...addressTarget(flags.address, flags.guest), container: text };
  const kept = store.endedGuests().filter(({ name }) => flags.guest === undefined || name === flags.guest);
  const guests = [...(kept.length > 0 && flags.guest !== undefined ? [] : candidates(store, flags)), ...kept];
  if (guests.length === 0) throw new CliError(NO_GUEST);
  const all = guests.flatMap((guest) => firstProcesses(store, guest).map((record) => ({ guest, record })));
  const exact = all.filter(({ record }) => record.container === text);
  const found = exact.length > 0 ? exact : all.filter(({ record }) => record.container.startsWith(text));
  const [match, second] = found;
  if (second !== undefined) {
    const places = found.map(({ guest, record }) => `${record.container} in ${guest.name}`).join(", ");
    throw new CliError(`container ${text}: several are meant: ${places}`);
  }
  if (match === undefined) {
    const known =
      all.length === 0 ? "there is none" : `there is ${all.map((each) => each.record.container).join(", ")}`;
    throw new CliError(`container ${text}: not found: ${known}`);
  }
  const { guest, record } = match;
  return { address: guest.address, guest, container: record.container, record };
}

/**
 * Connects to the agent. Nothing is sent to a guest of ours whose socket's folder was replaced while we connected. Throws
 * CliError, FolderError or the error of the dial.
 */
export async function connectTo({ address, guest }: Target): Promise<AgentClient> {
  if (guest === undefined) return connect(address);
  const before = socketFolder(address);
  const client = await connect(address);
  try {
    // The same folder before and after was it in between, too: only we could have put it back.
    if (socketFolder(address) === before) return client;
    throw new CliError(`guest ${guest.name}: its socket was replaced meanwhile: it is ending`);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/**
 * The address of a guest of ours, whose socket must be in a folder of this user: one that ended may have left its name in
 * /tmp to others. Throws FolderError.
 */
export function checkedAddress(text: string): string {
  socketFolder(text);
  return text;
}

/** Returns the number of the folder of a guest's socket, undefined where none exists. Throws FolderError. */
function socketFolder(text: string): bigint | undefined {
  const address = parseAddress(text);
  if (address.kind === "vsock") return undefined;
  const folder = checkPrivateFolder(dirname(address.path));
  return folder === undefined ? undefined : statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** The folder that a guest of ours shares, which must be this user's. Throws CliError or FolderError. */
export function sharedFolderOf(guest: GuestRecord): string {
  const folder = checkPrivateFolder(guest.folder);
  if (folder === undefined) throw new CliError(`guest ${guest.name}: its shared folder is gone: it is ending`);
  return folder;
}

function firstProcesses(store: StateStore, guest: GuestRecord): readonly ProcessRecord[] {
  return store.processes(guest.name).filter((record) => record.exec === record.container);
}

function addressTarget(address: string, guest: string | undefined): Target {
  if (guest !== undefined) throw new CliError("--guest and --address: only one of them can be given");
  return { address };
}

function candidates(store: StateStore, { guest: name }: TargetFlags): readonly GuestRecord[] {
  const guests = store.guests();
  if (name === undefined) return guests;
  const named = guests.filter((guest) => guest.name === name);
  if (named.length > 0) return named;
  throw new CliError(`guest ${name}: not running${guests.length === 0 ? "" : `: there is ${list(guests)}`}`);
}

function list(guests: readonly GuestRecord[]): string {
  return guests.map(({ name }) => name).join(", ");
}
