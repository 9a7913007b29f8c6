import type { Command } from "commander";
import { thisProcess } from "../../../lib/process-owner.ts";
import { DEFAULT_DETACH_KEYS, detachKeys } from "../../engine/attach/detach-keys.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { resumeLine } from "../../engine/attach/resume-line.ts";
import { serveInTarget } from "../../engine/attach/serve-in-target.ts";
import { startDetached } from "../../engine/attach/start-detached.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import { type ContainerTarget, connectTo } from "../../engine/guest/guest-target.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { byStreamsOrCalls, streamsPlace } from "../../engine/guest/streams-place.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { CliError } from "../cli-error.ts";
import { count, identifier, position, type StartPosition } from "../flags/option-values.ts";
import { checkTerminal, type ProcessFlags, processOptions, withProcessFlags } from "../flags/process-flags.ts";
import { findContainer, findExec, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface ExecFlags extends ProcessFlags, TargetFlags {
  readonly detach?: true;
  readonly detachKeys?: Uint8Array;
  readonly resume?: string;
  readonly from?: StartPosition;
  readonly takeover?: true;
  readonly name?: string;
  readonly reconnectTimeout?: number;
}

const HELP = `
The command inherits the container's environment, user and directory unless options override them. With --address guestctl
knows nothing of the container: PATH has its usual value, the directory is / and the user is root or a number.
The exit code is the command's, or 125 if guestctl failed, 126 if the program can't be executed, 127 if it wasn't found.

If the connection or the agent is lost, exec connects again and continues at the next byte. If that fails for a minute, or
if ctrl-p ctrl-q is typed at a terminal, the exit code is 125 and a line tells how to resume. The command keeps running.

  guestctl exec -it web sh
  guestctl exec web cat app.log > app.log
  guestctl exec --resume x-3fa94c1b --from "$(stat -c %s app.log)" >> app.log`;

/** Adds `guestctl exec`. */
export function addExec(program: Command): void {
  const command = program
    .command("exec")
    .description("Run a command in a running container. CONTAINER is an id, or the beginning of a random one.")
    .usage("[options] CONTAINER command…\n       guestctl exec [options] --resume ID")
    .argument("[container]")
    .argument("[command...]")
    .passThroughOptions();
  withTarget(withProcessFlags(command))
    .option("--name <id>", "id of the exec (default: a random one)", identifier)
    .option("-d, --detach", "run in the background and print the exec id, for guestctl attach CONTAINER/ID")
    .option("--detach-keys <keys>", "keys that leave a terminal (default: ctrl-p,ctrl-q)", detachKeys)
    .option("--resume <id>", "continue with a command that was left or cut")
    .option("--from <offset>", "with --resume: the first byte of its output that is wanted", position)
    .option("--takeover", "with --resume: replace another client that is attached")
    .option("--reconnect-timeout <seconds>", "how long to try to connect again (default: 60)", count)
    .addHelpText("after", HELP)
    .action((container: string | undefined, args: string[], flags: ExecFlags) =>
      exec(container, args[0] === "--" ? args.slice(1) : args, flags),
    );
}

async function exec(text: string | undefined, args: readonly string[], flags: ExecFlags): Promise<void> {
  checkFlags(text, args, flags);
  const store = new StateStore();
  if (flags.resume !== undefined) {
    const found = findExec(store, flags, flags.resume, text);
    noteOperation({ ...found, guest: found.guest?.name });
    return resume(store, found, flags);
  }
  if (!flags.detach) checkTerminal(flags);
  const target = findContainer(store, flags, text ?? "");
  const id = { container: target.container, exec: flags.name ?? randomName("x") };
  noteOperation({ ...target, guest: target.guest?.name, exec: id.exec });
  const { withUsersOf } = await import("../../engine/guest/users-in.ts");
  await using users = await withUsersOf(target, flags.user);
  const process_ = execSpec(users.target, args, processOptions(flags));
  const start = (client: Awaited<ReturnType<typeof connectTo>>) =>
    client.agent.execProcess({ container_id: id.container, exec_id: id.exec, process: process_ });
  const note = () => noteExec(store, target, id.exec, args, flags);
  if (flags.detach) {
    const name = `exec ${id.exec} in container ${id.container}`;
    const byCalls = async () => {
      await using client = await connectTo(target);
      await start(client);
    };
    await byStreamsOrCalls(() => startDetached(streamsPlace(target), { ...id, process: process_, name }), byCalls);
    note();
    if (flags.interactive === undefined && flags.tty === undefined) {
      await using client = await connectTo(target);
      await client.agent.closeStdin({ container_id: id.container, exec_id: id.exec });
    }
    return print(`${id.exec}\n`);
  }
  using interrupts = new Interrupts();
  process.exitCode = await serveInTarget(
    store,
    target,
    { ...id, process: process_ },
    {
      interrupts,
      stdin: flags.interactive ? "pass" : "end",
      tty: flags.tty === true,
      onAttached: note,
      detachKeys: flags.detachKeys ?? DEFAULT_DETACH_KEYS,
      reconnectSeconds: flags.reconnectTimeout,
      resume: (from) => resumeLine(target, id, from, flags),
      async startByCalls(client) {
        await start(client);
        note();
      },
    },
  );
}

async function resume(store: StateStore, target: ContainerTarget & { readonly exec: string }, flags: ExecFlags) {
  const { container, exec, record } = target;
  const { from, takeover = false, detachKeys: keys = DEFAULT_DETACH_KEYS } = flags;
  using interrupts = new Interrupts();
  process.exitCode = await serveInTarget(
    store,
    target,
    { container, exec, takeover, mode: "hold", from },
    {
      interrupts,
      detachKeys: keys,
      isJoining: true,
      reconnectSeconds: flags.reconnectTimeout,
      stdin: flags.interactive ? "pass" : "leave",
      tty: record?.terminal === true,
      resume: (at) => resumeLine(target, target, at, flags),
    },
  );
}

/** Records an exec for `ps` and `--resume`. */
function noteExec(
  store: StateStore,
  { guest, container, record }: ContainerTarget,
  exec: string,
  args: readonly string[],
  { tty }: ExecFlags,
): void {
  if (guest === undefined || record === undefined) return;
  const { image, env, cwd, user, rootfs } = record;
  const rest = { image, env, cwd, user, rootfs, keeper: thisProcess(), startedAt: new Date().toISOString() };
  store.processes.write(guest.name, { container, exec, args, terminal: tty === true, ...rest });
}

function checkFlags(container: string | undefined, args: readonly string[], flags: ExecFlags): void {
  const { resume, from, takeover, detach } = flags;
  if (resume === undefined) {
    if (container === undefined) throw new CliError("exec: no container given; see guestctl exec --help");
    if (args.length === 0) throw new CliError("exec: no command given; name it after the container");
    if (from !== undefined || takeover) throw new CliError("exec: --from and --takeover apply only with --resume");
    return;
  }
  if (args.length > 0) throw new CliError(`exec: --resume ${resume} starts no command; leave out ${args[0]}`);
  if (detach) throw new CliError("exec: --resume can't be combined with --detach");
}
