import { type Command, Option } from "commander";
import type { GuestRecord, ProcessRecord } from "../../engine/record/state-records.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { type FormatFlags, formatLines, jsonText, withFormat } from "../flags/output-flags.ts";
import { containerIds, findAnyContainer } from "../guest/target.ts";
import { print } from "../output/print.ts";

type Kind = "container" | "guest" | "image";

interface InspectFlags extends FormatFlags {
  readonly guest?: string;
  readonly type?: Kind;
}

const HELP = `
A name is that of a container, otherwise of a guest, otherwise of a pulled image; --type chooses. Fields of --format match in
any case: {{.State.Status}} is state.status.

  guestctl inspect web | jq '.[0].state'
  guestctl inspect --format '{{.State.Status}} {{.State.ExitCode}}' web`;

/** Adds `guestctl inspect`. */
export function addInspect(program: Command): void {
  const command = program
    .command("inspect")
    .description("Print guestctl's records of containers and guests, running or ended, and of images, as a JSON array.")
    .argument("<names...>")
    .option("-g, --guest <name>", "only containers of this guest")
    .addOption(new Option("--type <kind>", "kind of the names").choices(["container", "guest", "image"]))
    .addOption(new Option("--output <format>", "json, the only format").choices(["json"]).default("json"));
  withFormat(command, "{{.State.Status}}", "f")
    .addHelpText("after", HELP)
    .action((names: readonly string[], flags: InspectFlags) => inspect(names, flags));
}

async function inspect(names: readonly string[], flags: InspectFlags): Promise<void> {
  const store = new StateStore();
  const records = await Promise.all(names.map((name) => describe(store, name, flags)));
  await print(flags.format === undefined ? jsonText(records) : formatLines(records, flags.format));
}

async function describe(store: StateStore, name: string, { type, guest }: InspectFlags): Promise<object> {
  const isWanted = (kind: Kind) => type === undefined || type === kind;
  const known = [...store.guests(), ...store.endedGuests()].find((each) => each.name === name);
  const flags = { guest };
  const ids = isWanted("container") ? containerIds(store, flags) : [];
  if (type === "container" || ids.includes(name)) return describeContainer(store, flags, name);
  if (isWanted("guest") && known !== undefined) return describeGuest(store, known);
  if (ids.some((id) => id.startsWith(name))) return describeContainer(store, flags, name);
  const image = isWanted("image") ? await describeImage(name) : undefined;
  if (image !== undefined) return image;
  const what = type === undefined ? "container, guest or pulled image" : type;
  throw new CliError(`inspect ${name}: no ${what} has this name; guestctl ps -a and guestctl images list them`);
}

function describeContainer(store: StateStore, flags: { readonly guest?: string | undefined }, name: string): object {
  const { record, guest, container } = findAnyContainer(store, flags, name);
  const { startedAt, ended, paused, starting, keeper, restarting, restarts, ...more } =
    record ?? ({} as Partial<ProcessRecord>);
  const { container: _c, exec: _e, request: _r, stopped: _s, ...rest } = more;
  const status = restarting ? "restarting" : ended ? "exited" : starting ? "created" : paused ? "paused" : "running";
  const state = {
    status,
    startedAt,
    restarts,
    ...(ended && { exitCode: ended.code, endedAt: ended.at, why: ended.why }),
  };
  return { id: container, guest: guest?.name, state, keeper: keeper?.pid || undefined, ...rest };
}

function describeGuest(store: StateStore, { ended, ending, isPaused, ...record }: GuestRecord): object {
  const status = ended ? "ended" : ending ? "ending" : record.isSaved ? "saved" : isPaused ? "paused" : "running";
  const containers = new Set(store.processes.list(record.name).map(({ container }) => container));
  const owner = ended ? undefined : store.owner(record.name)?.pid || undefined;
  const state = { status, ...(ended && { endedAt: ended.at, why: ended.why }) };
  return { ...record, state, keeper: owner, containers: [...containers] };
}

/** Describes a pulled image; undefined if there is none or `text` can't be an image's name. */
async function describeImage(text: string): Promise<object | undefined> {
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { RegistryError } = await import("../../../image/registry/registry-error.ts");
  const { readImage } = await import("../../../image/read-image.ts");
  try {
    const stored = new ImageStore().find(text)?.image;
    if (stored === undefined) return undefined;
    await using image = await readImage(stored.path);
    const layers = image.layers.map(({ diffId }) => diffId);
    return { id: stored.digest, ...stored, platform: image.platform, config: image.config, layers };
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
