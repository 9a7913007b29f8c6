import type { Command } from "commander";
import type { ContainerTarget } from "../../guests/guest-target.ts";
import { waitForOwner } from "../../state/owner-process.ts";
import { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { seconds, signalNumber } from "../flags/option-values.ts";
import { endRestarts } from "../guest/end-restarts.ts";
import { findAnyContainer } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";
import { backgroundName, outputFile, runInBackground } from "../run/background.ts";
import { keepRunning } from "../run/keep-running.ts";
import type { RunRequest } from "../run/run-once.ts";
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
      backgroundName() === undefined
        ? forEachName(containers, (container) => start(container, flags))
        : runAgain(containers[0] ?? "", flags),
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
  requestOf(target);
  if (record === undefined || guest === undefined || record.ended === undefined) return;
  await endRestarts(store, target);
  // The guestctl that kept it may still be removing its files.
  if (record.keeper !== undefined) await waitForOwner(container, record.keeper);
  const output = record.output ?? outputFile(store, guest.name, container);
  const words = ["start", "--guest", guest.name, container];
  await runInBackground(container, output, { words, append: record.output !== undefined });
}

/** Runs the container in this process, which is in the background. */
async function runAgain(container: string, flags: StartFlags): Promise<void> {
  const store = new StateStore();
  const request = requestOf(findAnyContainer(store, flags, container));
  process.exitCode = await keepRunning(store, request, { id: container, isAgain: true });
}

function requestOf({ container, record }: ContainerTarget): RunRequest {
  if (record?.request !== undefined) return record.request as RunRequest;
  throw new CliError(
    `container ${container}: not run with --detach, so it can't be started again; guestctl run it anew`,
  );
}
