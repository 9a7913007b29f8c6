import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { kindInText } from "../text-kind.ts";
import { MachineError } from "./machine-error.ts";

/** Runs a program that changes networks, such as ip, and returns its output. Throws MachineError, one line with the remedy. */
export async function runNetworkProgram(what: string, argv: readonly string[], remedy: string): Promise<string> {
  const [program = "", ...args] = argv;
  try {
    return (await promisify(execFile)(program, args)).stdout;
  } catch (error) {
    const { stderr = "", message } = error as { readonly stderr?: string; readonly message: string };
    const why = (stderr.trim() || message).replaceAll(/\s*\n\s*/g, ": ");
    const line = `${what}: ${[program.replace(/.*\//, ""), ...args].join(" ")}: ${why}; ${remedy}`;
    throw new MachineError(line, { kind: kindInText(why) });
  }
}
