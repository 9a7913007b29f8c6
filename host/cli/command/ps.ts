import type { Command } from "commander";
import { StateStore } from "../../engine/record/state-store.ts";
import { sizeText } from "../../size-text.ts";
import {
  type FormatFlags,
  formatLines,
  isJson,
  jsonText,
  type OutputFlags,
  withFormat,
  withOutput,
} from "../flags/output-flags.ts";
import { meansEnded, type ProcessFilter, passesFilter, processFilter } from "../flags/process-filter.ts";
import { findKeptTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";
import { type ListedProcess, listProcesses } from "../output/process-list.ts";
import { ageText, textTable } from "../output/text-table.ts";

interface PsFlags extends OutputFlags, FormatFlags {
  readonly guest?: string;
  readonly all?: true;
  readonly trunc: boolean;
  readonly quiet?: true;
  readonly filter?: ProcessFilter;
}

const HEADER = ["GUEST", "CONTAINER", "PROCESS", "STATE", "TASKS", "MEMORY", "AGE", "COMMAND"];
const COMMAND_WIDTH = 40;

const HELP = `
The agent's protocol can't list containers. ps shows the containers that guestctl started and recorded below
\${XDG_RUNTIME_DIR:-/tmp}/guestd-<uid>/, with numbers from the agent (StatsContainer). A container is "running" while it has
tasks, "exited" without any, "gone" if the agent doesn't know it, and "no answer" if the agent doesn't answer.

Keys of --filter are name and id (a part of the container's id), label (NAME or NAME=value), status (such as running or exited),
ancestor (the image) and exited (an exit code). Of several with one key, one has to match; of different keys, all.`;

/** Adds `guestctl ps`. */
export function addPs(program: Command): void {
  const command = program
    .command("ps")
    .description("List this user's guests, their containers and their execs.")
    .option("-g, --guest <name>", "list only this guest")
    .option("-a, --all", "include ended ones: containers until rm, the last ten guests that died")
    .option("-f, --filter <key=value>", "list only processes of these containers; see below; repeatable", processFilter)
    .option("--no-trunc", "print whole commands")
    .option("-q, --quiet", "print only container ids");
  withFormat(withOutput(command), "{{.Container}} {{.State}}")
    .addHelpText("after", HELP)
    .action((flags: PsFlags) => ps(flags));
}

async function ps(flags: PsFlags): Promise<void> {
  const store = new StateStore();
  if (flags.guest !== undefined) findKeptTarget(store, flags);
  const { filter = {} } = flags;
  const processes = await listProcesses(store, { ...flags, all: flags.all ?? meansEnded(filter) });
  await print(
    formatProcesses(
      processes.filter((each) => passesFilter(each, filter)),
      flags,
    ),
  );
}

function formatProcesses(processes: readonly ListedProcess[], flags: PsFlags): string {
  if (flags.quiet)
    return textTable(processes.flatMap((each) => (each.process === "init" ? [[each.container ?? ""]] : [])));
  if (flags.format !== undefined) return formatLines(processes, flags.format);
  if (isJson(flags)) return jsonText(processes);
  return textTable([HEADER, ...processes.map((each) => processRow(each, flags.trunc))]);
}

function processRow(each: ListedProcess, trunc: boolean): string[] {
  const { guest, container = "-", process = "-", state, exitCode, tasks, memory, startedAt, command = [], why } = each;
  const line = (container === "-" ? (why ?? "") : command.join(" ")).replace(/\s+/g, " ");
  const cut = trunc && line.length > COMMAND_WIDTH ? `${line.slice(0, COMMAND_WIDTH - 1)}…` : line;
  const how = exitCode === undefined ? state : `${state} (${exitCode})`;
  const used = [tasks === undefined ? "" : `${tasks}`, memory === undefined ? "" : sizeText(memory)];
  return [guest, container, process, how, ...used, ageText(startedAt), cut];
}
