import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { endUnkept } from "../../engine/container/found-run.ts";
import { connectTo } from "../../engine/guest/guest-target.ts";
import { waitForOwner } from "../../engine/record/owner-process.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { endSupervised } from "../../engine/supervisor/supervise.ts";
import { signalProcess } from "../../vm/signal-process.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import { seconds, signalNumber } from "../flags/option-values.ts";
import { endRestarts, noteStopped, waitForKeeper } from "../guest/end-restarts.ts";
import { findAnyContainer, findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

const { SIGTERM, SIGKILL } = constants.signals;
/** Seconds until a container is killed, unless its record has others. */
const GRACE_SECONDS = 10;

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
  const owner = guest && store.owner(name);
  if (guest === undefined || owner === undefined) return stopContainer(store, name, flags);
  noteOperation({ address: guest.address, guest: name });
  if (guest.isEmbedded) {
    store.noteEnding(name);
    await using client = await connectTo({ address: guest.address, guest });
    await client.agent.destroySandbox({});
    return;
  }
  if (!(await endSupervised(store, name, name))) signalProcess(owner, "SIGTERM");
  await waitForOwner(`guest ${name}`, () => store.owner(name));
  const left = store.unkept().find((each) => each.name === name);
  if (left !== undefined) await endUnkept(store, left);
}

async function stopContainer(store: StateStore, text: string, flags: StopFlags): Promise<void> {
  const target = findAnyContainer(store, flags, text, "exact");
  const { kept, ended: hasEnded, stopSignal = SIGTERM, stopTimeout = GRACE_SECONDS } = target.record ?? {};
  if (hasEnded !== undefined) return endRestarts(store, target);
  noteStopped(store, target);
  const id = { container_id: target.container, exec_id: target.container };
  await using client = await connectTo(target);
  const timer = new AbortController();
  // Requested before the signal: of `run --rm` the container may be gone as soon as it has ended.
  const ended = client.agent.waitProcess(id);
  ended.catch(() => undefined); // a failed signal is reported instead
  await client.agent.signalProcess({ ...id, signal: flags.signal ?? stopSignal });
  const late = delay((flags.time ?? stopTimeout) * 1000, undefined, { signal: timer.signal }).then(
    () => client.agent.signalProcess({ ...id, signal: SIGKILL }),
    () => undefined,
  );
  await ended.finally(() => timer.abort());
  await late;
  // The supervisor records the end.
  if (kept !== undefined) await waitForKeeper(store, target);
}
