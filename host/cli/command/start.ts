import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { endRestarts, waitForKeeper } from "../../engine/container/end-restarts.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { seconds, signalNumber } from "../flags/option-values.ts";
import { findAnyContainer } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";
import { type RunRequest, startDetached } from "../run/run-once.ts";
import { type StopFlags, stop } from "./stop.ts";

interface StartFlags {
  readonly guest?: string;
}

const HELP = `
Containers run with --detach can be started again after their end: with the same options, from their image, in a new guest or in
the guest that they were run in. Files that they had written are there again; with --rootfs share only those in
volumes. Their output continues in the same log.`;

const OF_GUEST = ["-g, --guest <name>", "only containers of this guest"] as const;

/** Adds `guestctl start`. */
export function addStart(program: Command): void {
  program
    .command("start")
    .description("Run detached containers that have ended again. One that runs is left as it is.")
    .argument("<containers...>")
    .option(...OF_GUEST)
    .addHelpText("after", HELP)
    .action((containers: readonly string[], flags: StartFlags) =>
      forEachName(containers, (container) => start(container, flags)),
    );
}

/** Adds `guestctl restart`. */
export function addRestart(program: Command): void {
  program
    .command("restart")
    .description("Stop detached containers if they run, and run them again.")
    .argument("<containers...>")
    .option(...OF_GUEST)
    .option("-s, --signal <signal>", "stop them by this signal instead of their own", signalNumber)
    .option("-t, --time <seconds>", "kill a container that has not ended after this time", seconds)
    .addHelpText("after", HELP)
    .action((containers: readonly string[], flags: StartFlags & StopFlags) =>
      forEachName(containers, async (container) => {
        requestOf(findAnyContainer(new StateStore(), flags, container));
        await stop(container, flags);
        await start(container, flags);
      }),
    );
}

async function start(text: string, flags: StartFlags): Promise<void> {
  const store = new StateStore();
  const target = findAnyContainer(store, flags, text);
  const { guest, container, record } = target;
  const request = requestOf(target);
  if (record === undefined || guest === undefined || record.ended === undefined) return;
  await endRestarts(store, target);
  // Its files may still be being removed.
  await waitForKeeper(store, target);
  using interrupts = new Interrupts();
  await startDetached(store, request, { id: container, interrupts, isAgain: true });
}

function requestOf({ container, record }: ContainerTarget): RunRequest {
  if (record?.request !== undefined) return record.request as RunRequest;
  throw new CliError(
    `container ${container}: not run with --detach, so it can't be started again; guestctl run it anew`,
  );
}
