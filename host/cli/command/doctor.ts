import type { Command } from "commander";
import { visibleLine } from "../../visible.ts";
import { diagnose, type Finding } from "../../vm/diagnosis.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { print } from "../output/print.ts";

const HELP = `
Each line is ok, missing (guests can't start without it) or better (guests would be faster, or more confined, with it). Exits with 1 if
something is missing. KVM is tried with a kernel once per boot of this machine, which takes up to three seconds.`;

/** Adds `guestctl doctor`. */
export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description(
      "Print what guests need on this machine: what is present, missing, or could be better, with the remedy.",
    );
  withOutput(command).addHelpText("after", HELP).action(doctor);
}

async function doctor(flags: OutputFlags): Promise<void> {
  const findings = await diagnose();
  await print(isJson(flags) ? jsonText(findings) : table(findings));
  if (findings.some(({ state }) => state === "missing")) process.exitCode = 1;
}

function table(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.map(({ name, state, text }) =>
    visibleLine(`${state.padEnd(8)} ${name.padEnd(width)}  ${text}`),
  );
  return `${lines.join("\n")}\n`;
}
