import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { guestLog, LOG_OPTION, readableLogLine } from "../../sandbox/guest-log.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { agentLogFile, consoleFile } from "../guest/kept-guest.ts";
import {
  type ContainerTarget,
  checkedAddress,
  findAnyContainer,
  findKeptTarget,
  type TargetFlags,
  withTarget,
} from "../guest/target.ts";
import { followFile } from "../output/follow-file.ts";
import { print } from "../output/print.ts";
import { Interrupts } from "../run/interrupts.ts";
import { StateStore } from "../state/state-store.ts";

interface LogsFlags extends TargetFlags {
  readonly follow?: true;
  readonly console?: true;
  readonly json?: true;
}

/** Milliseconds of silence after which the agent's buffered lines are assumed to have arrived. */
const QUIET_MS = 500;

const HELP = `
The agent's log comes over vsock port 1025, which guestctl enables in its guests (${LOG_OPTION}); the agent buffers its last
512 lines for late readers. Logs of the last ten guests that died remain: name one with --guest.
With --address, give the address of the log port: hvsock:///path:1025.`;

/** Adds `guestctl logs`. */
export function addLogs(program: Command): void {
  const command = program
    .command("logs")
    .summary("show the log of a guest's agent, or a container's output")
    .description("Show the log of a guest's agent, or the output of a container run with --detach, even after its end.")
    .argument("[container]")
    .option("-f, --follow", "keep printing until ^C or the end of the guest or container")
    .option("--console", "show the guest's console instead")
    .option("--json", "print the agent's raw JSON lines");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string | undefined, flags: LogsFlags) => logs(container, flags));
}

async function logs(container: string | undefined, flags: LogsFlags): Promise<void> {
  const store = new StateStore();
  if (container !== undefined) {
    return printOutput(store, findAnyContainer(store, flags, container), flags);
  }
  const target = findKeptTarget(store, flags);
  if (flags.console) {
    if (target.guest === undefined)
      throw new CliError("logs: --console needs a guest booted by guestctl, not --address");
    return printFiles(consoleFile(store, target.guest.name), (text) => text);
  }
  if (target.guest?.ended !== undefined) {
    return printFiles(agentLogFile(store, target.guest.name), (line) => formatLine(line, flags));
  }
  await printLog(target.guest === undefined ? target.address : checkedAddress(target.guest.logAddress), flags);
}

async function printLog(address: string, flags: LogsFlags): Promise<void> {
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  const quiet = flags.follow ? undefined : setTimeout(() => stop.abort(), QUIET_MS);
  try {
    for await (const line of guestLog(address, stop.signal)) {
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

async function printOutput(store: StateStore, target: ContainerTarget, flags: LogsFlags): Promise<void> {
  const { container, guest, record } = target;
  if (guest === undefined || record?.output === undefined) {
    throw new CliError(`logs ${container}: its output was not kept; run the container with --detach`);
  }
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  const ended = () => {
    const now = store.processes
      .list(guest.name)
      .find((each) => each.exec === container && each.container === container);
    return flags.follow === undefined || now === undefined || now.ended !== undefined;
  };
  await followFile(record.output, ended, stop.signal);
}

/** Prints a log's lines, the rotated file first. */
async function printFiles(path: string, show: (line: string) => string): Promise<void> {
  for (const file of [`${path}.1`, path].filter((each) => existsSync(each))) {
    for await (const line of createInterface(createReadStream(file))) await print(`${show(line)}\n`);
  }
}
