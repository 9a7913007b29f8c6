import { type Command, Option } from "commander";
import colors from "picocolors";
import { causeOfDeath, guestDiedError } from "../../guests/guest-death.ts";
import { bootKeptGuest, releaseGuest } from "../../guests/kept-guest.ts";
import { randomName } from "../../guests/random-name.ts";
import { ROOTFS_KINDS, type RootfsKind } from "../../guests/rootfs-kind.ts";
import { type BootTimeline, timelineSteps, timelineText } from "../../sandbox/boot-timeline.ts";
import type { GuestRecord } from "../../state/state-records.ts";
import { StateStore } from "../../state/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import {
  checkTemplateFlags,
  type GuestFlags,
  guestConsole,
  guestImage,
  guestSize,
  guestWords,
  withGuestFlags,
} from "../flags/guest-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { identifier, mebibytes } from "../flags/option-values.ts";
import { keepUntilEnd } from "../guest/keep-until-end.ts";
import { snapshotOf, useTemplate } from "../guest/use-template.ts";
import { StatusLine } from "../output/status-line.ts";
import { textTable } from "../output/text-table.ts";
import { announceReady, backgroundName, outputFile, runInBackground } from "../run/background.ts";
import { Interrupted, Interrupts } from "../run/interrupts.ts";

interface BootFlags extends GuestFlags {
  readonly name?: string;
  readonly detach?: true;
  readonly memory?: number;
  readonly timeline?: true;
  readonly verbose?: true;
  readonly rootfs?: RootfsKind;
}

const HELP = `
The guest lives as long as this command: ^C or guestctl stop powers it off. With --detach the command runs in the background.
docs/options.md lists the options that --agent accepts.

  guestctl boot -d --name dev --agent log=debug --kernel-args "loglevel=7 mitigations=off"`;

/** Adds `guestctl boot`. */
export function addBoot(program: Command): void {
  const command = program
    .command("boot")
    .description(
      "Boot a guest with a sandbox ready for containers, print its address and boot timeline, and keep it running.",
    )
    .option("--name <name>", "name of the guest", identifier)
    .option("-d, --detach", "return once the guest is up")
    .option("--timeline", "print each boot step with its time")
    .addOption(
      new Option(
        "--rootfs <kind>",
        "how containers get the files of images: block (default), or share, which -v needs",
      ).choices(ROOTFS_KINDS),
    );
  withGuestFlags(command)
    .addOption(new Option("-m, --memory <size>", "the same as --vm-memory").argParser(mebibytes).conflicts("vmMemory"))
    .option("-V, --verbose", "show the guest's console on stderr")
    .addHelpText("after", HELP)
    .action(({ memory, ...flags }: BootFlags) => boot(memory === undefined ? flags : { vmMemory: memory, ...flags }));
}

async function boot(flags: BootFlags): Promise<void> {
  checkTemplateFlags("boot", flags);
  if (flags.template !== undefined && flags.rootfs === "share") {
    throw new CliError("boot: a template's guest has no shared folder; leave out --rootfs, or --template");
  }
  const store = new StateStore();
  const name = backgroundName() ?? flags.name ?? randomName("guest");
  noteOperation({ guest: name });
  using status = new StatusLine();
  status.show(`booting ${name} …`);
  if (flags.detach && backgroundName() === undefined) {
    store.checkFree(name);
    await runInBackground(name, outputFile(store, name, name));
    status.clear();
    const record = store.guests().find((guest) => guest.name === name);
    if (record !== undefined) process.stdout.write(describe(record, flags));
    return;
  }
  using interrupts = new Interrupts();
  store.claim(name);
  try {
    await keep(store, name, flags, interrupts, status);
    store.removeGuest(name);
  } catch (error) {
    if (error instanceof Interrupted) store.removeGuest(name);
    else store.closeGuest(name, causeOfDeath(error));
    throw store.endedGuests().some((guest) => guest.name === name) ? guestDiedError(error, name) : error;
  }
}

async function keep(
  store: StateStore,
  name: string,
  flags: BootFlags,
  interrupts: Interrupts,
  status: StatusLine,
): Promise<void> {
  const machine = { ...guestSize(flags), ...guestImage(flags), ...guestWords(flags), ...guestNetwork(flags) };
  const disks = flags.rootfs === "share" && flags.template === undefined ? {} : { disks: [] };
  using used = await useTemplate(flags.template, name);
  const options = {
    name,
    ...machine,
    ...disks,
    ...snapshotOf(used),
    signal: interrupts.signal,
    ...guestConsole(flags),
  };
  const { guest, record } = await interrupts.during(bootKeptGuest(store, options));
  used?.[Symbol.dispose](); // from now on the template can be removed
  releaseGuest(store, name, guest);
  status.clear();
  process.stdout.write(describe(record, flags));
  announceReady();
  await keepUntilEnd(store, name, guest, interrupts, () => status.show(`powering off ${name} …`));
}

function describe(record: GuestRecord, flags: BootFlags): string {
  const { name, address, accelerator, memoryMib, cpus, timeline, networkAddress } = record;
  const at = networkAddress === undefined ? "" : `, at ${networkAddress}`;
  const size = `${memoryMib} MiB, ${cpus} CPU${cpus === 1 ? "" : "s"}, ${accelerator}${at}`;
  return `${colors.bold(name)}  ${address}  (${size})\n${flags.timeline ? stepTable(timeline) : `${timelineText(timeline)}\n`}`;
}

/** Formats the boot steps as a table: seconds since QEMU started, seconds the step took, name. */
function stepTable(timeline: BootTimeline): string {
  let before = 0;
  const rows = timelineSteps(timeline).map(([name, ms]) => {
    const row = [(ms / 1000).toFixed(2), `+${((ms - before) / 1000).toFixed(2)}`, STEPS[name] ?? name];
    before = ms;
    return row;
  });
  return textTable([["0.00", "", "QEMU started"], ...rows]);
}

const STEPS: Readonly<Record<string, string>> = {
  kernel: "kernel started",
  init: "init started",
  agent: "agent executed",
  loaded: "agent bundle loaded",
  listening: "agent listening",
  "first answer": "first Check answered",
};
