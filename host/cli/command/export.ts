import type { Command } from "commander";
import { copyOutAsTar } from "../../client/streams/copy-out.ts";
import { streamsAddress } from "../../client/streams/streams-address.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { dialTarget } from "../../engine/guest/guest-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { writeArchive } from "../output/write-archive.ts";

interface ExportFlags extends TargetFlags {
  readonly output?: string;
}

const HELP = `
The archive has what the container sees: also the files of its volumes and of memory that is mounted in it. As with guestctl cp,
devices, sockets and named pipes are left out.

  guestctl export -o web.tar web`;

/** Adds `guestctl export`. */
export function addExport(program: Command): void {
  const command = program
    .command("export")
    .description("Write a running container's files to a tar archive, on stdout by default.")
    .argument("<container>")
    .option("-o, --output <file>", "write to this file");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string, flags: ExportFlags) => exportContainer(container, flags));
}

async function exportContainer(text: string, flags: ExportFlags): Promise<void> {
  const target = findContainer(new StateStore(), flags, text);
  const place = { container: target.container, path: "/." };
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const options = { dial: dialTarget(target), signal, isBare: true };
  await writeArchive("export", flags.output, async (write) => {
    const { notes } = await interrupts.during(copyOutAsTar(streamsAddress(target.address), place, write, options));
    for (const note of notes) process.stderr.write(`guestctl: export ${text}: ${visibleLine(note)}\n`);
  });
}
