import type { Command } from "commander";
import { diagnose } from "../../machine/diagnosis.ts";
import { visibleLine } from "../../visible.ts";
import { print } from "../output/print.ts";

const HELP = `
Each line is ok, missing (guests can't start without it) or better (guests would be faster with it). Exits with 1 if
something is missing. KVM is tried with a kernel once per boot of this machine, which takes up to three seconds.`;

/** Adds `guestctl doctor`. */
export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("check what guests need")
    .description(
      "Print what guests need on this machine: what is present, missing, or could be better, with the remedy.",
    )
    .addHelpText("after", HELP)
    .action(doctor);
}

async function doctor(): Promise<void> {
  const findings = await diagnose();
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.map(({ name, state, text }) =>
    visibleLine(`${state.padEnd(8)} ${name.padEnd(width)}  ${text}`),
  );
  await print(`${lines.join("\n")}\n`);
  if (findings.some(({ state }) => state === "missing")) process.exitCode = 1;
}
