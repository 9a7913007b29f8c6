import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import { seconds, signalNumber } from "../flags/option-values.ts";
import { findAnyContainer, findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

export interface StopFlags extends TargetFlags {
  readonly time?: number;
  readonly signal?: number;
}

const HELP = `
A guest is powered off with everything that runs in it. A container gets its --stop-signal, its image's, or SIGTERM, and SIGKILL
after its --stop-timeout, or 10 s; then its own guest, if it has one, powers off.`;

/** Adds `guestctl stop`. */
export function addStop(program: Command): void {
  const command = program
    .command("stop")
    .description("Power off guests or stop containers. Without a name, power off the only running guest.")
    .argument("[names...]");
  withTarget(command, "stop containers of this guest")
    .option("-s, --signal <signal>", "send this signal to a container instead of its own", signalNumber)
    .option("-t, --time <seconds>", "kill a container that has not ended after this time", seconds)
    .addHelpText("after", HELP)
    .action((names: readonly string[], flags: StopFlags) => stopAll(names, flags));
}

async function stopAll(names: readonly string[], flags: StopFlags): Promise<void> {
  if (flags.guest !== undefined || flags.address !== undefined) {
    if (names.length === 0)
      throw new CliError("stop: no container given; to power off a guest, name it without --guest");
    return forEachName(names, (name) => stopContainer(new StateStore(), name, flags));
  }
  const only = () => findTarget(new StateStore(), {}, "name one of").guest?.name ?? "";
  await forEachName(names.length === 0 ? [only()] : names, (name) => stop(name, flags));
}

/** Powers off the guest of that name, otherwise ends the container. */
export async function stop(name: string, flags: StopFlags = {}): Promise<void> {
  const store = new StateStore();
  const guest = store.guest(name);
  if (guest === undefined || store.owner(name) === undefined) return stopContainer(store, name, flags);
  noteOperation({ address: guest.address, guest: name });
  await new Guest(store, { address: guest.address, guest }).stop();
}

async function stopContainer(store: StateStore, text: string, { signal, time: seconds, ...flags }: StopFlags) {
  const target = findAnyContainer(store, flags, text, "exact");
  await new Container(store, target).stop({ signal, seconds });
}
