import type { Command } from "commander";
import { RpcError } from "../../client/rpc-error.ts";
import { DEFAULT_DETACH_KEYS, detachKeys } from "../../engine/attach/detach-keys.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { resumeLine } from "../../engine/attach/resume-line.ts";
import { serveInTarget } from "../../engine/attach/serve-in-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { count, position, type StartPosition } from "../flags/option-values.ts";
import { findContainer, findExec, type TargetFlags, withTarget } from "../guest/target.ts";

interface AttachFlags extends TargetFlags {
  readonly stdin: boolean;
  readonly detachKeys?: Uint8Array;
  readonly takeover?: true;
  readonly from?: StartPosition;
  readonly reconnectTimeout?: number;
}

const HELP = `
Output continues at the first byte that no other client has received. A line on stderr names bytes that are gone, such as
those of a command that exec -d has started. The end of our stdin ends the process's. Signals go to the process. Leave a terminal by ctrl-p ctrl-q: the process keeps running and the exit code is 125.
The exit code is the process's, or 125 if it may still be running.

  guestctl attach web
  guestctl attach web/$(guestctl exec -d web make)`;

/** Adds `guestctl attach`. */
export function addAttach(program: Command): void {
  const command = program
    .command("attach")
    .description(
      "Connect stdin, stdout and stderr to the first process of a running container, or to one of its execs.",
    )
    .argument("<container[/exec]>")
    .option("--no-stdin", "pass no input to the process")
    .option("--detach-keys <keys>", "keys that leave a terminal (default: ctrl-p,ctrl-q)", detachKeys)
    .option("--takeover", "replace another client that is attached")
    .option("--from <offset>", "the first byte of its output that is wanted", position)
    .option("--reconnect-timeout <seconds>", "how long to try to connect again (default: 60)", count);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((text: string, flags: AttachFlags) => attach(text, flags));
}

async function attach(text: string, flags: AttachFlags): Promise<void> {
  const store = new StateStore();
  const [id = "", exec] = text.split("/", 2);
  const target = exec ? findExec(store, flags, exec, id) : findContainer(store, flags, id);
  const { from, takeover = false, detachKeys: keys = DEFAULT_DETACH_KEYS } = flags;
  const { container, record } = target;
  const request = { container, takeover, mode: "hold", exec, from } as const;
  using interrupts = new Interrupts();
  const serving = serveInTarget(store, target, request, {
    interrupts,
    detachKeys: keys,
    isJoining: true,
    reconnectSeconds: flags.reconnectTimeout,
    stdin: flags.stdin ? "pass" : "leave",
    tty: record?.terminal === true,
    resume: (at) => resumeLine(target, { container, exec: exec || container }, at, { interactive: flags.stdin }),
  });
  process.exitCode = await serving.catch((error: unknown) => {
    const isRefused = error instanceof RpcError && error.kind === "failed-precondition";
    if (!isRefused || record?.output === undefined) throw error;
    const advice = `guestctl logs -f ${container} shows its output, --takeover replaces that client`;
    throw new CliError(`container ${container}: a guestctl in the background is attached; ${advice}`, { cause: error });
  });
}
