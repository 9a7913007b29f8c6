import { createReadStream, existsSync } from "node:fs";
import type { Command } from "commander";
import { guestLog, LOG_OPTION, readableLogLine } from "../../sandbox/guest-log.ts";
import { visibleLine } from "../../visible.ts";
import { outputFile } from "../background.ts";
import { CliError } from "../cli-error.ts";
import { Interrupts } from "../interrupts.ts";
import { consoleFile } from "../kept-guest.ts";
import { print } from "../print.ts";
import { StateStore } from "../state-store.ts";
import { checkedAddress, findContainer, findTarget, type TargetFlags, withTarget } from "../target.ts";

interface LogsFlags extends TargetFlags {
  readonly follow?: true;
  readonly console?: true;
  readonly json?: true;
}

/** Milliseconds of silence after which what the agent had kept is taken to be here. */
const QUIET_MS = 500;

const HELP = `
The agent's log comes over vsock port 1025, which guests of guestctl have on (${LOG_OPTION}); the agent keeps its last
512 lines for those who come late. --address then names that port: hvsock:///path:1025.`;

/** `guestctl logs`. */
export function addLogs(program: Command): void {
  const command = program
    .command("logs")
    .summary("show the log of a guest's agent, or a container's output")
    .description(
      "Shows the log of a guest's agent; with a container that was run with --detach, what that one printed.",
    )
    .argument("[container]")
    .option("-f, --follow", "go on until ^C or the guest's end")
    .option("--console", "the guest's console instead")
    .option("--json", "lines as the agent wrote them");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string | undefined, flags: LogsFlags) => logs(container, flags));
}

async function logs(container: string | undefined, flags: LogsFlags): Promise<void> {
  const store = new StateStore();
  if (container !== undefined) {
    const target = findContainer(store, flags, container);
    const file = outputFile(store, target.guest?.name ?? "", target.container);
    if (!existsSync(file)) throw new CliError(`logs ${target.container}: it was not run with --detach`);
    return printFile(file);
  }
  const target = findTarget(store, flags);
  if (flags.console) {
    if (target.guest === undefined) throw new CliError("logs: --console is known for guests of guestctl only");
    const file = consoleFile(store, target.guest.name);
    if (existsSync(`${file}.1`)) await printFile(`${file}.1`);
    return printFile(file);
  }
  await printLog(target.guest === undefined ? target.address : checkedAddress(target.guest.logAddress), flags);
}

async function printLog(address: string, flags: LogsFlags): Promise<void> {
  using interrupts = new Interrupts();
  const stop = new AbortController();
  interrupts.take(() => stop.abort());
  const quiet = flags.follow ? undefined : setTimeout(() => stop.abort(), QUIET_MS);
  try {
    for await (const line of guestLog(address, stop.signal)) {
      quiet?.refresh();
      await print(`${visibleLine(flags.json ? line : readableLogLine(line))}\n`);
    }
  } finally {
    clearTimeout(quiet);
  }
}

async function printFile(path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) await print(chunk);
}
