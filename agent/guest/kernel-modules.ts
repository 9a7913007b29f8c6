import { AgentError } from "../kernel/error.ts";
import { invalidArgument, quoted } from "../kernel/invalid-argument.ts";
import { runProgram } from "../kernel/run-program.ts";

export interface KernelModule {
  readonly name: string;
  /** `name=value` or a bare name. */
  readonly parameters: readonly string[];
}

const MODPROBE = "/sbin/modprobe";
/** No leading `-`: modprobe accepts options anywhere. */
const NAME = /^[A-Za-z0-9_][\w-]*$/;
const PARAMETER = /^[A-Za-z0-9_][\w.-]*(=[^\0\n]*)?$/;

/**
 * Loads modules in order with modprobe. Checks all names before loading the first. Stops at the first failure; modules
 * loaded before it stay.
 */
export async function loadKernelModules(modules: readonly KernelModule[], run = runProgram): Promise<void> {
  for (const { name, parameters } of modules) {
    if (!NAME.test(name)) throw invalidArgument(`kernel module ${quoted(name)}: not a valid module name`);
    const wrong = parameters.find((parameter) => !PARAMETER.test(parameter));
    if (wrong !== undefined)
      throw invalidArgument(`kernel module ${name}: ${quoted(wrong)} is not a parameter; write NAME or NAME=VALUE`);
  }
  for (const { name, parameters } of modules) {
    try {
      await run(MODPROBE, ["-v", name, ...parameters]);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new AgentError("internal", `kernel module ${name}: ${why}`, { cause: error });
    }
  }
}
