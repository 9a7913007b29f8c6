import type { Command } from "commander";
import type { ContainerTarget, Target } from "../../engine/guest/guest-target.ts";
import { isRandomName } from "../../engine/guest/random-name.ts";
import type { GuestRecord, ProcessRecord } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { noteFound } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";

/** Selects an agent: in a guest that guestctl keeps, or at any address. */
export interface TargetFlags {
  readonly guest?: string | undefined;
  readonly address?: string | undefined;
}

/** A name that no container has. */
export class UnknownContainer extends CliError {}

const NO_GUEST = "no guest is running; start one with guestctl boot";

/** Adds the two options that select a guest to a command. */
export function withTarget(command: Command, guest = "name of the guest (default: the only running one)"): Command {
  return command
    .option("-g, --guest <name>", guest)
    .option(
      "--address <address>",
      "address of an agent: unix:///path, unix://@name, vsock://cid:port or hvsock:///path:port",
    );
}

/**
 * Returns the guest that the options select. Throws CliError if none or several match; `remedy` tells what to do about
 * several.
 */
export function findTarget(store: StateStore, flags: TargetFlags, remedy = "add --guest with one of"): Target {
  if (flags.address !== undefined) return noteFound(addressTarget(flags.address, flags.guest));
  const guests = candidates(store, flags);
  const [guest, second] = guests;
  if (guest === undefined) throw new CliError(NO_GUEST);
  if (second !== undefined) throw new CliError(`several guests are running; ${remedy} ${namesOf(guests)}`);
  return noteFound({ address: guest.address, guest });
}

/** Like `findTarget`, but a name may also select a kept guest that ended. */
export function findKeptTarget(store: StateStore, flags: TargetFlags): Target {
  const guest = store.endedGuests().find(({ name }) => name === flags.guest);
  return guest === undefined ? findTarget(store, flags) : { address: guest.address, guest };
}

/** `"exact"` for commands that end or remove something, of which a mistyped name must not mean another one. */
export type NameMatch = "exact" | "abbreviated";

/**
 * Finds the container with the id `text`, in the selected guest or in any, or the only container of the guest with this name;
 * if the match may be abbreviated, also one whose random id begins with `text`. Throws CliError if none or several match, or if
 * it has ended.
 */
export function findContainer(
  store: StateStore,
  flags: TargetFlags,
  text: string,
  match: NameMatch = "abbreviated",
): ContainerTarget {
  const target = findAnyContainer(store, flags, text, match);
  const ended = target.record?.ended;
  if (ended === undefined) return target;
  const { container, record } = target;
  const remedy = record?.request === undefined ? "" : `; guestctl start ${container} runs it again`;
  throw new CliError(`container ${container}: not running; it ended with exit code ${ended.code}${remedy}`);
}

/**
 * Finds an exec by its id, or by the beginning of a random one, among those that guestctl has started; with the container's name,
 * also any other. Throws CliError if none or several match.
 */
export function findExec(
  store: StateStore,
  flags: TargetFlags,
  exec: string,
  container?: string,
): ContainerTarget & { readonly exec: string } {
  if (flags.address !== undefined && container === undefined) {
    throw new CliError(`exec ${exec}: its container is unknown; with --address, name the container too`);
  }
  const target = container === undefined ? undefined : findContainer(store, flags, container);
  const guests = target === undefined ? candidates(store, flags) : target.guest === undefined ? [] : [target.guest];
  const all = guests.flatMap((guest) => store.processes.list(guest.name).map((record) => ({ guest, record })));
  const execs = all.filter(
    ({ record }) => record.exec !== record.container && (target === undefined || record.container === target.container),
  );
  const exact = execs.filter(({ record }) => record.exec === exec);
  const [match, second] = exact.length > 0 ? exact : execs.filter(({ record }) => abbreviates(exec, record.exec));
  if (second !== undefined) throw new CliError(`exec ${exec}: ambiguous id; guestctl ps lists execs`);
  if (match !== undefined) {
    const { guest, record } = match;
    return noteFound({ address: guest.address, guest, container: record.container, exec: record.exec, record });
  }
  if (target !== undefined) {
    return noteFound({ address: target.address, guest: target.guest, container: target.container, exec });
  }
  throw new CliError(`exec ${exec}: not found; guestctl ps lists execs`);
}

/** Returns the ids of the containers, running or kept, in the selected guest or in all. Throws CliError. */
export function containerIds(store: StateStore, flags: TargetFlags): readonly string[] {
  return guestsOf(store, flags).flatMap((guest) => firstProcesses(store, guest).map(({ container }) => container));
}

/** Like `findContainer`, but includes kept containers that ended. The name of a guest stands for its only container. */
export function findAnyContainer(
  store: StateStore,
  flags: TargetFlags,
  text: string,
  nameMatch: NameMatch = "abbreviated",
): ContainerTarget {
  if (flags.address !== undefined) return noteFound({ ...addressTarget(flags.address, flags.guest), container: text });
  const guests = guestsOf(store, flags);
  if (guests.length === 0) throw new UnknownContainer(NO_GUEST);
  const all = guests.flatMap((guest) => firstProcesses(store, guest).map((record) => ({ guest, record })));
  const exact = all.filter(({ record }) => record.container === text);
  const inGuest = all.filter(({ guest }) => guest.name === text);
  const only = exact.length !== 1 && inGuest.length === 1 ? inGuest : exact;
  const begun = nameMatch === "exact" ? [] : all.filter(({ record }) => abbreviates(text, record.container));
  const found = only.length > 0 ? only : begun;
  const [match, second] = found;
  if (second !== undefined) {
    const places = found.map(({ guest, record }) => `${record.container} in ${guest.name}`).join(", ");
    throw new CliError(`container ${text}: ambiguous id: ${places}; add --guest, or name its guest`);
  }
  if (match === undefined) {
    const known =
      all.length === 0
        ? "no guest has a container"
        : `containers: ${all.map((each) => each.record.container).join(", ")}`;
    throw new UnknownContainer(`container ${text}: not found; ${known}`);
  }
  const { guest, record } = match;
  return noteFound({ address: guest.address, guest, container: record.container, record });
}

const abbreviates = (text: string, id: string): boolean => text !== "" && id.startsWith(text) && isRandomName(id);

/** Returns the selected guests, including kept ones that ended. */
function guestsOf(store: StateStore, flags: TargetFlags): readonly GuestRecord[] {
  const kept = store.endedGuests().filter(({ name }) => flags.guest === undefined || name === flags.guest);
  return [...(kept.length > 0 && flags.guest !== undefined ? [] : candidates(store, flags)), ...kept];
}

function firstProcesses(store: StateStore, guest: GuestRecord): readonly ProcessRecord[] {
  return store.processes.list(guest.name).filter((record) => record.exec === record.container);
}

function addressTarget(address: string, guest: string | undefined): Target {
  if (guest !== undefined) throw new CliError("--guest and --address can't be combined; give only one of them");
  return { address };
}

function candidates(store: StateStore, { guest: name }: TargetFlags): readonly GuestRecord[] {
  const guests = store.guests();
  if (name === undefined) return guests;
  const named = guests.filter((guest) => guest.name === name);
  if (named.length > 0) return named;
  throw new CliError(`guest ${name}: not running${guests.length === 0 ? "" : `; running guests: ${namesOf(guests)}`}`);
}

function namesOf(guests: readonly GuestRecord[]): string {
  return guests.map(({ name }) => name).join(", ");
}
