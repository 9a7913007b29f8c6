import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { streamsAddress } from "../../client/streams/streams-address.ts";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { readContainerLog } from "../../engine/container/container-log.ts";
import { guestLog, LOG_OPTION, readableLogLine } from "../../engine/guest/guest-log.ts";
import { agentLogFile, consoleFile } from "../../engine/guest/guest-logs.ts";
import { type ContainerTarget, checkedAddress } from "../../engine/guest/guest-target.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { cleanLine } from "../../vm/console.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { pastTime } from "../flags/past-time.ts";
import { findAnyContainer, findKeptTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { followFile } from "../output/follow-file.ts";
import { print } from "../output/print.ts";

interface LogsFlags extends TargetFlags {
  readonly follow?: true;
  readonly console?: true;
  readonly json?: true;
  readonly tail?: number;
  readonly since?: Date;
  readonly timestamps?: true;
}

/** Milliseconds of silence after which the agent's buffered lines are assumed to have arrived. */
const QUIET_MS = 500;

const HELP = `
The agent's log comes over vsock port 1025, which guestctl enables in its guests (${LOG_OPTION}); the agent buffers its last
512 lines for late readers. Logs of the last ten guests that died remain: name one with --guest.
With --address, give the address of the log port (hvsock:///path:1025), for a container that of the API.

Of a container run with --detach, guestctl prints what it keeps on the host: the last 32 to 64 MiB. Of every other container it prints
what the agent keeps (agent.container_logs), until ten minutes after the container's removal.`;

/** Adds `guestctl logs`. */
export function addLogs(program: Command): void {
  const command = program
    .command("logs")
    .description("Show the log of a guest's agent, or the output of a container, even after its end.")
    .argument("[container]")
    .option("-f, --follow", "keep printing until ^C or the end of the guest or container")
    .option("--console", "show the guest's console instead")
    .option("--json", "print the agent's raw JSON lines")
    .option("-n, --tail <lines>", "print the last lines only, and what follows with -f", count)
    .option("--since <time>", "print a container's output since a time, or since 90s, 10m, 2h or 1d ago", pastTime)
    .option("-t, --timestamps", "begin each line of a container's output with its time");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string | undefined, flags: LogsFlags) => logs(container, flags));
}

async function logs(container: string | undefined, flags: LogsFlags): Promise<void> {
  const store = new StateStore();
  if (container !== undefined) {
    return printOutput(store, findLogged(store, flags, container), flags);
  }
  if (flags.since !== undefined || flags.timestamps || flags.tail !== undefined) {
    throw new CliError("logs: --since, --timestamps and --tail are for containers; name one");
  }
  const target = findKeptTarget(store, flags);
  if (flags.console) {
    if (target.guest === undefined)
      throw new CliError("logs: --console needs a guest booted by guestctl, not --address");
    return printFiles(consoleFile(store, target.guest.name), cleanLine);
  }
  if (target.guest?.ended !== undefined) {
    return printFiles(agentLogFile(store, target.guest.name), (line) => formatLine(line, flags));
  }
  await printLog(target.guest === undefined ? target.address : checkedAddress(target.guest.logAddress), flags);
}

async function printLog(address: string, flags: LogsFlags): Promise<void> {
  using interrupts = new Interrupts();
  const stop = new AbortController();
  let quiet: NodeJS.Timeout | undefined;
  const opened = () => {
    interrupts.handle(() => stop.abort());
    if (!flags.follow) quiet = setTimeout(() => stop.abort(), QUIET_MS);
  };
  const lines = guestLog(address, AbortSignal.any([stop.signal, interrupts.signal]), opened);
  try {
    for (let next = await interrupts.during(lines.next()); !next.done; next = await lines.next()) {
      const line = next.value;
      quiet?.refresh();
      await print(`${formatLine(line, flags)}\n`);
    }
  } finally {
    clearTimeout(quiet);
  }
}

function formatLine(line: string, flags: LogsFlags): string {
  return visibleLine(flags.json ? line : readableLogLine(line));
}

/** Finds a container, or the guest that may keep the log of one that was removed. */
function findLogged(store: StateStore, flags: TargetFlags, container: string): ContainerTarget {
  try {
    return findAnyContainer(store, flags, container);
  } catch (error) {
    const [guest, other] = store.guests().filter(({ name }) => flags.guest === undefined || name === flags.guest);
    if (guest === undefined || other !== undefined || !(error instanceof CliError)) throw error;
    return { address: guest.address, guest, container };
  }
}

async function printOutput(store: StateStore, target: ContainerTarget, flags: LogsFlags): Promise<void> {
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  const { container, guest, record } = target;
  if (guest !== undefined && record?.output !== undefined) {
    return printFile(store, guest.name, container, record.output, flags, stop.signal);
  }
  if (guest?.ended !== undefined) throw new CliError(`logs ${container}: its guest has ended, and its log with it`);
  await readContainerLog(streamsAddress(checkedAddress(target.address)), container, {
    follow: flags.follow === true,
    timestamps: flags.timestamps === true,
    signal: stop.signal,
    tail: flags.tail,
    since: flags.since,
    print: (name, bytes) => print(bytes, name === "stderr" ? process.stderr : process.stdout),
    warn: (line) => process.stderr.write(`guestctl: logs ${container}: ${visibleLine(line)}\n`),
  });
}

async function printFile(
  store: StateStore,
  guest: string,
  container: string,
  file: string,
  flags: LogsFlags,
  signal: AbortSignal,
): Promise<void> {
  if (flags.since !== undefined || flags.timestamps) {
    const why = "its output is in a file on the host, which has no times";
    throw new CliError(`logs ${container}: ${why}; leave out --since and --timestamps`);
  }
  const ended = () => {
    const now = store.processes.list(guest).find((each) => each.exec === container && each.container === container);
    return flags.follow === undefined || now === undefined || now.ended !== undefined;
  };
  await followFile(file, ended, signal, flags.tail);
}

/** Prints a log's lines, the rotated file first. */
async function printFiles(path: string, show: (line: string) => string): Promise<void> {
  for (const file of [`${path}.1`, path].filter((each) => existsSync(each))) {
    for await (const line of createInterface(createReadStream(file))) await print(`${show(line)}\n`);
  }
}
