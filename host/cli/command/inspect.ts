import type { Command } from "commander";
import type { GuestRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { visible } from "../../visible.ts";
import { findAnyContainer, type TargetFlags } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface InspectFlags {
  readonly guest?: string;
}

/** Adds `guestctl inspect`. */
export function addInspect(program: Command): void {
  program
    .command("inspect")
    .summary("print the records of containers and guests")
    .description("Print guestctl's records of containers and guests, running or ended, as a JSON array.")
    .argument("<names...>")
    .option("-g, --guest <name>", "only containers of this guest")
    .action((names: readonly string[], flags: InspectFlags) => inspect(names, flags));
}

async function inspect(names: readonly string[], flags: InspectFlags): Promise<void> {
  const store = new StateStore();
  await print(
    visible(
      `${JSON.stringify(
        names.map((name) => describe(store, name, flags)),
        null,
        2,
      )}\n`,
    ),
  );
}

/** Describes the container of that name, or the guest if no container has it. */
function describe(store: StateStore, name: string, flags: TargetFlags): object {
  const guest = [...store.guests(), ...store.endedGuests()].find((each) => each.name === name);
  const own = guest !== undefined && store.processes.list(guest.name).some(({ container }) => container === name);
  if (guest !== undefined && !own) return describeGuest(store, guest);
  const { record, guest: place, container } = findAnyContainer(store, flags, name);
  const { container: _c, exec: _e, startedAt, ended, paused, starting, keeper, ...rest } = record ?? {};
  const status = ended ? "exited" : starting ? "created" : paused ? "paused" : "running";
  const state = { status, startedAt, ...(ended && { exitCode: ended.code, endedAt: ended.at, why: ended.why }) };
  return { id: container, guest: place?.name, state, keeper: keeper?.pid, ...rest };
}

function describeGuest(store: StateStore, { ended, ending, ...record }: GuestRecord): object {
  const status = ended ? "ended" : ending ? "ending" : "running";
  const containers = new Set(store.processes.list(record.name).map(({ container }) => container));
  const owner = ended ? undefined : store.owner(record.name)?.pid;
  const state = { status, ...(ended && { endedAt: ended.at, why: ended.why }) };
  return { ...record, state, keeper: owner, containers: [...containers] };
}
