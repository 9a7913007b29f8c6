import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import type { Command } from "commander";
import { type CoreDump, listCores, readCore } from "../../client/streams/cores.ts";
import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { signalName } from "../../signal-name.ts";
import { sizeText } from "../../size-text.ts";
import { visible } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { count } from "../flags/option-values.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";
import { print } from "../output/print.ts";
import { ageText, textTable } from "../output/text-table.ts";

type ListFlags = TargetFlags & OutputFlags;

interface GetFlags extends TargetFlags {
  readonly output?: string;
}

interface RmFlags extends TargetFlags {
  readonly all?: true;
}

const HELP = `
A guest keeps core dumps if it was started with agent.core_dumps=BYTES, the memory for them.

  guestctl boot --agent core_dumps=268435456
  guestctl cores
  guestctl cores get 1 -o core
  guestctl cores rm --all`;

const widest = 40;

/** Adds `guestctl cores`. */
export function addCores(program: Command): void {
  const cores = program
    .command("cores")
    .description("List the core dumps that a guest keeps, fetch or remove them.")
    .addHelpText("after", HELP);
  const list = cores
    .command("ls", { isDefault: true })
    .summary("list core dumps")
    .description("List the core dumps of a guest, or of one container: its id, or the beginning of a random one.")
    .argument("[container]");
  withOutput(withTarget(list)).action((container: string | undefined, flags: ListFlags) => ls(container, flags));
  const get = cores
    .command("get")
    .summary("fetch a core dump")
    .description(
      "Write a core dump to stdout or a file. If the connection or the agent is lost, continues at the byte.",
    )
    .argument("<id>", "number of the core dump", count)
    .option("-o, --output <file>", "write to this file, which appears once it is complete");
  withTarget(get).action((id: number, flags: GetFlags) => fetchCore(id, flags));
  const remove = cores
    .command("rm")
    .summary("remove core dumps")
    .description("Remove core dumps from the guest.")
    .argument("[ids...]", "numbers of core dumps")
    .option("-a, --all", "remove all core dumps of the guest");
  withTarget(remove).action((ids: readonly string[], flags: RmFlags) => removeAll(ids, flags));
}

function guestOf(flags: TargetFlags): Guest {
  const store = new StateStore();
  return new Guest(store, findTarget(store, flags));
}

async function ls(container: string | undefined, flags: ListFlags): Promise<void> {
  const all = await guestOf(flags).call(listCores);
  const exact = all.filter((core) => core.container === container);
  const begun = all.filter((core) => container === undefined || core.container.startsWith(container));
  const cores = exact.length > 0 ? exact : begun;
  await print(isJson(flags) ? jsonText(cores.map(jsonOf)) : textTable(tableOf(cores), widest));
}

/** Returns the rows of the list. Exported for its test. */
export function tableOf(cores: readonly CoreDump[], now = Date.now()): string[][] {
  const rows = cores.map(({ id, container, exec, ownPid, signal, size, cut, command, time }) => [
    ...[`${id}`, container === "" ? "-" : container, exec === "" ? "-" : exec, `${ownPid}`, signalName(signal)],
    ...[`${sizeText(size)}${cut === "" ? "" : ` (cut: ${cut})`}`, ageText(time.toISOString(), now), command],
  ]);
  return [["ID", "CONTAINER", "EXEC", "PID", "SIGNAL", "SIZE", "AGE", "COMMAND"], ...rows];
}

function jsonOf({ time, container, exec, cut, ...core }: CoreDump) {
  const names = { ...(container === "" ? {} : { container }), ...(exec === "" ? {} : { exec }) };
  return { ...core, time: time.toISOString(), ...names, ...(cut === "" ? {} : { cut }) };
}

async function fetchCore(id: number, { output, ...flags }: GetFlags): Promise<void> {
  const { address, dial } = guestOf(flags).streams;
  let core: CoreDump | undefined;
  const onStart = (started: CoreDump) => {
    core = started;
  };
  const bytes = readCore(address, id, { dial, onStart });
  if (output !== undefined) await writeWhole(output, bytes);
  else if (process.stdout.isTTY) throw new CliError(`cores get ${id}: stdout is a terminal; add -o FILE`);
  else for await (const piece of bytes) await print(piece);
  if (core !== undefined && core.cut !== "") {
    const why = visible(core.cut).slice(0, widest);
    process.stderr.write(`guestctl: core dump ${id}: the guest kept only the first ${core.size} bytes (${why})\n`);
  }
}

/** Writes a file that appears under its name once it is complete. */
async function writeWhole(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${path}.${randomBytes(4).toString("hex")}.partial`;
  try {
    {
      await using file = await open(partial, "wx", 0o600);
      for await (const piece of bytes) await file.writeFile(piece);
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function removeAll(texts: readonly string[], { all, ...flags }: RmFlags): Promise<void> {
  if (texts.length > 0 === (all === true)) throw new CliError("cores rm: give the numbers of core dumps, or --all");
  const guest = guestOf(flags);
  const known = (await guest.call(listCores)).map(({ id }) => id);
  await forEachName(all ? known.map(String) : texts, async (text) => {
    if (!known.includes(Number(text)))
      throw new CliError(`core dump ${text}: not kept; guestctl cores lists those that are`);
    await guest.call((client) => client.guest.removeCores({ ids: [Number(text)] }));
  });
}
