import { AgentError } from "../kernel/error.ts";
import { runProgram } from "../kernel/run-program.ts";

export interface KernelModule {
  readonly name: string;
  /** `name=value`, or a name alone. */
  readonly parameters: readonly string[];
}

const MODPROBE = "/sbin/modprobe";
/** No first `-`: modprobe takes its options from anywhere. */
const NAME = /^[A-Za-z0-9_][\w-]*$/;
const PARAMETER = /^[A-Za-z0-9_][\w.-]*(=[^\0\n]*)?$/;

/** Loads them, in order, by modprobe. Checks all before the first; one that can't be loaded ends it, and those before it stay. */
export async function loadKernelModules(modules: readonly KernelModule[], run = runProgram): Promise<void> {
  for (const { name, parameters } of modules) {
    if (!NAME.test(name)) throw refuse(`${JSON.stringify(name.slice(0, 80))} is no name of a module`);
    const wrong = parameters.find((parameter) => !PARAMETER.test(parameter));
    if (wrong !== undefined) throw refuse(`${name}: ${JSON.stringify(wrong.slice(0, 80))} is no parameter`);
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

function refuse(why: string): AgentError {
  return new AgentError("invalid-argument", `kernel module ${why}`);
}
