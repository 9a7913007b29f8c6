import { type Command, Option } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { chooseImage, type PullPolicy } from "../../engine/image/store/choose-image.ts";
import { addTemplate } from "../../engine/template/add-template.ts";
import { containerNotes } from "../../engine/template/container-notes.ts";
import { makeTemplate } from "../../engine/template/make-template.ts";
import { startTemplateContainer, type TemplateContainer } from "../../engine/template/template-container.ts";
import { TemplateStore } from "../../engine/template/template-store.ts";
import { sizeText } from "../../size-text.ts";
import { CliError } from "../cli-error.ts";
import { type GuestFlags, guestConsole, guestImage, guestSize, guestWords, withVmFlags } from "../flags/guest-flags.ts";
import { optionNames } from "../flags/option-names.ts";
import { print } from "../output/print.ts";
import { StatusLine } from "../output/status-line.ts";

interface CreateFlags extends Omit<GuestFlags, "network" | "publish"> {
  readonly image?: string;
  readonly run?: readonly string[];
  readonly pull?: PullPolicy;
  readonly verbose?: true;
}

const HELP = `
Without --image the template is a guest without containers; run --template NAME IMAGE starts one. With --image it has a
container of that name, in which each --run was run by its shell: what a command leaves in memory and files, clones have.
A template contains the memory of its guest: see docs/warm-start.md for what must not be in one.

  guestctl template create base
  guestctl template create py --image python:3.12-slim --run "python3 -c 'import json, ssl'"
  guestctl run --template py python3 -c "print(1)"`;

/** Adds `guestctl template create`. */
export function addTemplateCreate(parent: Command): void {
  const command = parent
    .command("create")
    .summary("boot a guest, warm it up and save it")
    .description("Boot a guest, let it create containers, save it under a name, and end it.")
    .argument("<name>")
    .option("--image <image>", "image of a container that each clone has: a file, or a name to pull")
    .option("--run <command>", "with --image: run it in the container before saving; repeatable", appended)
    .addOption(
      new Option(
        "--pull <when>",
        "with --image: pull it: always, if the store lacks it, or never (default: missing)",
      ).choices(["always", "missing", "never"]),
    );
  withVmFlags(command)
    .option("-V, --verbose", "show the guest's console on stderr")
    .addHelpText("after", HELP)
    .action((name: string, flags: CreateFlags) => create(name, flags));
}

const appended = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

async function create(name: string, flags: CreateFlags): Promise<void> {
  const unused = flags.image === undefined ? optionNames(flags, ["run", "pull"]) : "";
  if (unused !== "") throw new CliError(`template create: ${unused}: there is no container; add --image`);
  const machine = { ...guestSize(flags), ...guestImage(flags), ...guestWords(flags), ...guestConsole(flags) };
  const store = new TemplateStore();
  if ((await store.find(name)) !== undefined) {
    throw new CliError(`template ${name}: it already exists; remove it with guestctl template rm ${name}`);
  }
  const began = performance.now();
  using status = new StatusLine();
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  status.show(`booting a guest for template ${name} …`);
  using chosen = flags.image === undefined ? undefined : await interrupts.during(imageOf(name, flags, signal));
  const container = chosen && containerOf(name, flags, chosen, signal);
  const { template } = await interrupts.during(
    addTemplate(store, name, (directory) =>
      makeTemplate(directory, {
        name,
        signal,
        ...machine,
        async prepare(client, guest) {
          if (container === undefined) return {};
          status.show(`preparing the container of template ${name} …`);
          return containerNotes([await startTemplateContainer(client, guest, container)]);
        },
      }),
    ),
  );
  status.clear();
  await print(`${name}  ${sizeText(template.size)}, ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

function imageOf(name: string, { image = "", pull = "missing" }: CreateFlags, signal: AbortSignal) {
  return chooseImage({
    text: image,
    container: randomName(name),
    pull,
    plainHttp: false,
    signal,
    onProgress: () => undefined,
  });
}

function containerOf(
  name: string,
  { run = [] }: CreateFlags,
  { path, text }: { readonly path: string; readonly text: string },
  signal: AbortSignal,
): TemplateContainer {
  const commands = run.map((line) => ["/bin/sh", "-c", line]);
  const output = { stdout: process.stderr, stderr: process.stderr };
  return { name, image: { path }, imageText: text, commands, output, signal };
}
