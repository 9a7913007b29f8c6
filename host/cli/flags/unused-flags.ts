import { CliError } from "../cli-error.ts";
import { optionNames } from "./option-names.ts";
import { hasImage, type RunFlags } from "./run-flags.ts";

type Flag = keyof RunFlags;

/** Flags of a guest, which has them from its start. */
const OF_GUEST = ["vmImage", "vmMemory", "vmCpus", "agent", "kernelArgs", "network", "publish", "verbose"] as const;
const OF_IMAGE = ["imageName", "pull", "plainHttp"] as const;
/** Flags that a command in the container of a template can have; --rm is how it ends anyway. */
const OF_COMMAND: ReadonlySet<string> = new Set<Flag>([
  ...(["template", "name", "rm", "verbose"] as const),
  ...(["interactive", "tty", "env", "envFile", "workdir", "user"] as const),
]);

/** Throws CliError for flags of `run` that have no effect where the container runs. */
export function checkUnusedFlags(flags: RunFlags): void {
  const { guest, address } = flags;
  const ofGuest = (guest ?? address) === undefined ? "" : optionNames(flags, OF_GUEST);
  if (ofGuest !== "") throw new CliError(`run: ${ofGuest}: only while booting a guest; give them to guestctl boot`);
  const ofImage = hasImage(flags) ? "" : optionNames(flags, OF_IMAGE);
  if (ofImage !== "") throw new CliError(`run: ${ofImage}: only with an image; leave them out`);
}

/** Throws CliError for flags of a container, as that of the template exists already. */
export function checkCloneFlags(template: string, flags: RunFlags): void {
  if (flags.detach) {
    throw new CliError(`run: template ${template} has a container; use guestctl boot -d --template ${template}`);
  }
  const unused = optionNames(
    flags,
    Object.keys(flags).filter((name) => !OF_COMMAND.has(name)),
  );
  if (unused === "") return;
  const remedy = `leave them out, or run another container in a guest of guestctl boot --template ${template}`;
  throw new CliError(`run: ${unused}: the container of template ${template} exists already; ${remedy}`);
}
