import type { Command, Option } from "commander";

/** Kinds of names that depend on what runs or exists now. */
export type NameKind = "container" | "guest" | "image" | "volume";

export interface Candidate {
  readonly value: string;
  readonly about?: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** True if the shell adds names of files. */
  readonly files: boolean;
}

const FILES: Completion = { candidates: [], files: true };
const NOTHING: Completion = { candidates: [], files: false };

/** Kinds of names by a command's argument, otherwise by an argument's name alone. */
const ARGUMENT_KINDS: Readonly<Record<string, readonly NameKind[]>> = {
  container: ["container"],
  containers: ["container"],
  "container[/exec]": ["container"],
  target: ["container", "guest"],
  images: ["image"],
  "images name": ["image"],
  "pull names": ["image"],
  "inspect names": ["container", "guest", "image"],
  "stop names": ["container", "guest"],
  "rm containers": ["container", "guest"],
  "run words": ["image"],
  volumes: ["volume"],
};
/** Arguments that name no file either. */
const NO_FILES = new Set([
  ...Object.keys(ARGUMENT_KINDS).filter((key) => key !== "run words"),
  "id",
  "ids",
  "address",
  "shell",
]);
/** Options whose values are names. Options without choices that aren't here or in `FILE_OPTIONS` have free values. */
const OPTION_KINDS: Readonly<Record<string, NameKind>> = { "--guest": "guest" };
/** Names of option values that are paths. */
const PATHS = new Set(["file", "dir", "path", "host:guest"]);

/**
 * Completes the last of the words that follow `guestctl`, from the program's own definitions. `names` looks up what
 * runs or exists.
 */
export async function complete(
  program: Command,
  words: readonly string[],
  names: (kind: NameKind) => Promise<readonly string[]>,
): Promise<Completion> {
  const last = words.at(-1) ?? "";
  const place = findPlace(program, words.slice(0, -1));
  const begun = (all: readonly Candidate[]) => all.filter(({ value }) => value.startsWith(last));
  const named = async (kinds: readonly NameKind[]) =>
    (await Promise.all(kinds.map(async (kind) => (await names(kind)).map((value) => ({ value, about: kind }))))).flat();
  if (place.kind === "foreign") return FILES;
  if (place.kind === "value") return completeValue(place.option, "");
  const { command, positional } = place;
  const [, flag, value] = /^(--[\w-]+)=(.*)$/.exec(last) ?? [];
  const inline = flag === undefined ? undefined : findOption(command, flag);
  if (flag !== undefined && value !== undefined)
    return inline === undefined ? NOTHING : completeValue(inline, `${flag}=`);
  if (last.startsWith("-") && place.options) return { candidates: begun(optionsOf(command)), files: false };
  if (positional === 0 && command.commands.length > 0) {
    const visible = command.createHelp().visibleCommands(command);
    const commands = begun(visible.map((each) => ({ value: each.name(), about: each.summary() })));
    if (commands.length > 0 || command === program) return { candidates: commands, files: false };
  }
  const all = command.registeredArguments;
  const argument = all[positional] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
  if (argument === undefined) return NOTHING;
  if (argument.argChoices !== undefined)
    return { candidates: begun(argument.argChoices.map((choice) => ({ value: choice }))), files: false };
  if (command.name() === "cp") {
    const containers = (await names("container")).map((name) => ({ value: `${name}:`, about: "container" }));
    return { candidates: begun(containers), files: true };
  }
  const key = `${command.name()} ${argument.name()}`;
  const kinds = ARGUMENT_KINDS[key] ?? ARGUMENT_KINDS[argument.name()] ?? [];
  const files = !NO_FILES.has(key) && !NO_FILES.has(argument.name());
  return { candidates: begun(await named(kinds)), files };

  async function completeValue(option: Option, prefix: string): Promise<Completion> {
    const kind = OPTION_KINDS[option.long ?? ""];
    const choices = option.argChoices ?? (kind === undefined ? [] : await names(kind));
    const isPath = [...option.flags.matchAll(/[<[]([^\]>]+)[\]>]/g)].some(([, name = ""]) => PATHS.has(name));
    return { candidates: begun(choices.map((choice) => ({ value: `${prefix}${choice}` }))), files: isPath };
  }
}

type Place =
  /** Among the words of a command; `options` is false after `--`. */
  | { readonly kind: "word"; readonly command: Command; readonly positional: number; readonly options: boolean }
  | { readonly kind: "value"; readonly option: Option }
  /** In the command line of a container. */
  | { readonly kind: "foreign" };

/** Follows the words as commander would. */
function findPlace(program: Command, words: readonly string[]): Place {
  let command = program;
  let positional = 0;
  let options = true;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--" && options) options = false;
    else if (options && word.startsWith("-") && word !== "-") {
      const option = optionAt(command, word);
      if (option === undefined) continue;
      if (at + 1 === words.length) return { kind: "value", option };
      at += 1;
    } else {
      const sub = positional === 0 ? command.commands.find((each) => isNamed(each, word)) : undefined;
      if (sub !== undefined) command = sub;
      else positional += 1;
      if (positional > 0 && isPassing(command)) return { kind: "foreign" };
    }
  }
  return { kind: "word", command, positional, options };
}

/** Returns the option whose value is the next word, if there is one. */
function optionAt(command: Command, word: string): Option | undefined {
  if (word.startsWith("--")) return word.includes("=") ? undefined : withValue(findOption(command, word));
  // Of letters in one word, as in -it, only the last can have its value in the next word.
  for (const [at, letter] of [...word.slice(1)].entries()) {
    const option = withValue(findOption(command, `-${letter}`));
    if (option !== undefined) return at + 2 === word.length ? option : undefined;
  }
  return undefined;
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ short, long }) => short === flag || long === flag);
}

function withValue(option: Option | undefined): Option | undefined {
  return option?.required || option?.optional ? option : undefined;
}

function isNamed(command: Command, word: string): boolean {
  return command.name() === word || command.aliases().includes(word);
}

/** True if a command's words after the first belong to a container's process. */
function isPassing(command: Command): boolean {
  return ["run", "exec", "debug"].includes(command.name());
}

function optionsOf(command: Command): Candidate[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long, short, description }) => {
    const value = long ?? short;
    return value === undefined ? [] : [{ value, about: description }];
  });
}
