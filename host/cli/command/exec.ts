import type { Command } from "commander";
import { thisProcess } from "../../../lib/process-owner.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { processSpec } from "../../image/image-config.ts";
import { checkTerminal, type ProcessFlags, processOptions, withProcessFlags } from "../flags/process-flags.ts";
import { explainLostCall } from "../guest/guest-death.ts";
import { type ContainerTarget, connectTo, findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { Interrupts } from "../run/interrupts.ts";
import { randomName } from "../run/random-name.ts";
import { leaveAfter, serveProcess } from "../run/serve-process.ts";
import { StateStore } from "../state/state-store.ts";

interface ExecFlags extends ProcessFlags, TargetFlags {}

const HELP = `
The command inherits the container's environment, user and directory unless options override them. With --address guestctl
knows nothing of the container: PATH has its usual value, the directory is / and the user is root or a number.
The exit code is the command's, or 125 if guestctl failed, 126 if the program can't be executed, 127 if it wasn't found.`;

/** Adds `guestctl exec`. */
export function addExec(program: Command): void {
  const command = program
    .command("exec")
    .summary("run a command in a running container")
    .description("Run a command in a running container. CONTAINER is an id or the beginning of one.")
    .argument("<container>")
    .argument("<command...>")
    .passThroughOptions();
  withTarget(withProcessFlags(command))
    .addHelpText("after", HELP)
    .action((container: string, args: string[], flags: ExecFlags) => exec(container, args, flags));
}

async function exec(text: string, args: readonly string[], flags: ExecFlags): Promise<void> {
  checkTerminal(flags);
  const store = new StateStore();
  const target = findContainer(store, flags, text);
  const process_ = execSpec(target, args, flags);
  const id = { container_id: target.container, exec_id: randomName("x") };
  using interrupts = new Interrupts();
  await using client = await connectTo(target);
  interrupts.handle((_signal, times) => leaveAfter(client, times));
  const { guest, record } = target;
  const entry = { container: id.container_id, exec: id.exec_id };
  try {
    await client.agent.execProcess({ ...id, process: process_ });
    if (guest !== undefined && record !== undefined) {
      const startedAt = new Date().toISOString();
      const { image, env, cwd, user, rootfs } = record;
      const rest = { image, env, cwd, user, rootfs, keeper: thisProcess() };
      store.processes.write(guest.name, { ...rest, ...entry, args, terminal: flags.tty === true, startedAt });
    }
    process.exitCode = await serveProcess(client, id, flags, interrupts);
  } catch (error) {
    throw guest !== undefined && error instanceof RpcError ? await explainLostCall(store, guest.name, error) : error;
  } finally {
    if (guest !== undefined) store.removeProcess(guest.name, entry);
  }
}

/** Returns the process to exec, based on the container's own. Exported for its test. */
export function execSpec({ record }: ContainerTarget, args: readonly string[], flags: ProcessFlags) {
  const { env = [], cwd = "/", user = "", rootfs = "/nonexistent" } = record ?? {};
  const config = { Env: env, WorkingDir: cwd, User: user };
  const spec = processSpec(config, rootfs, { ...processOptions(flags), entrypoint: [], args });
  return record === undefined ? { ...spec, Rlimits: [] } : spec;
}
