import { type Command, Option } from "commander";
import colors from "picocolors";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { ROOTFS_KINDS } from "../../engine/container/rootfs-kind.ts";
import { type BootTimeline, timelineSteps, timelineText } from "../../engine/guest/boot-timeline.ts";
import { keepUntilEnd } from "../../engine/guest/keep-until-end.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { type GuestRecord, ON_TIMEOUT } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import { checkIdleFlag, checkTemplateFlags, withGuestFlags } from "../flags/guest-flags.ts";
import { count, identifier, mebibytes } from "../flags/option-values.ts";
import { type BootFlags, bootDetached, bootGuest } from "../guest/boot-guest.ts";
import { StatusLine } from "../output/status-line.ts";
import { textTable } from "../output/text-table.ts";

interface Flags extends BootFlags {
  readonly name?: string;
  readonly memory?: number;
  readonly timeline?: true;
}

const HELP = `
The guest lives as long as this command: ^C or guestctl stop powers it off. With --detach the command
returns, and stop powers it off.
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
    .option("--timeout <seconds>", "power it off after this time; guestctl update --guest changes it", count)
    .addOption(
      new Option("--on-timeout <action>", "what happens then: stop (default), or pause, until unpause").choices(
        ON_TIMEOUT,
      ),
    )
    .option("-V, --verbose", "show the guest's console on stderr")
    .addHelpText("after", HELP)
    .action(({ memory, ...flags }: Flags) => boot(memory === undefined ? flags : { vmMemory: memory, ...flags }));
}

async function boot(flags: Flags): Promise<void> {
  checkTemplateFlags("boot", flags);
  if (flags.template !== undefined && flags.rootfs === "share") {
    throw new CliError("boot: a template's guest has no shared folder; leave out --rootfs, or --template");
  }
  checkIdleFlag("boot", flags, flags.rootfs === "share");
  const store = new StateStore();
  const name = flags.name ?? randomName("guest");
  noteOperation({ guest: name });
  using interrupts = new Interrupts();
  using status = new StatusLine();
  status.show(`booting ${name} …`);
  const print = (record: GuestRecord) => {
    status.clear();
    process.stdout.write(describe(record, flags));
  };
  if (flags.detach) return print(await bootDetached(store, name, flags, interrupts));
  await bootGuest(store, name, flags, interrupts, async (guest, record) => {
    print(record);
    await keepUntilEnd(store, name, guest, interrupts, () => status.show(`powering off ${name} …`));
    store.removeGuest(name);
  });
}

function describe(record: GuestRecord, flags: Flags): string {
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
