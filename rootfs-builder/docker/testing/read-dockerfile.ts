import { posix } from "node:path";

/** Contents of the last stage of a Dockerfile in our form. */
export interface DockerfileContents {
  /** Installed Debian packages. */
  readonly packages: readonly string[];
  /** Shell patterns of the paths copied from packages. */
  readonly globs: readonly string[];
  /** Shell patterns of paths removed again. */
  readonly removed: readonly string[];
  readonly directories: readonly string[];
  /** Octal mode for chmod, by path. */
  readonly modes: ReadonlyMap<string, string>;
  readonly links: ReadonlyMap<string, string>;
  /** Files whose content is in the Dockerfile. */
  readonly texts: ReadonlyMap<string, string>;
  /** Path in the image → path in the build context, and mode. */
  readonly copied: ReadonlyMap<string, { readonly source: string; readonly mode: string }>;
  readonly stripped: readonly string[];
}

/** Mutable contents during parsing. */
type Found = {
  -readonly [Key in keyof DockerfileContents]: DockerfileContents[Key] extends ReadonlyMap<string, infer Value>
    ? Map<string, Value>
    : string[];
};

const INSTALL = "apt-get update && apt-get install --yes --no-install-recommends ";
const COPY_FROM_ROOT = "cd / && cp -a --parents ";
const IMAGE = "/image";

/**
 * Parses the forms of FROM, ARG, WORKDIR, RUN and COPY in Dockerfile.guest; throws for any other. Dockerfile parsers
 * return the same lines as words, and the meaning of RUN would still be ours to check.
 */
export function readDockerfile(text: string): DockerfileContents {
  const found: Found = {
    ...{ packages: [], globs: [], removed: [], directories: [], stripped: [] },
    ...{ modes: new Map(), links: new Map(), texts: new Map(), copied: new Map() },
  };
  for (const line of instructions(text)) {
    const [word = "", rest = ""] = split(line);
    if (word === "FROM" || word === "ARG" || (word === "WORKDIR" && rest === IMAGE)) continue;
    if (word === "COPY" && rest === `--from=root ${IMAGE}/ /`) continue;
    if (word === "COPY") copy(rest, found.copied);
    else if (word !== "RUN") throw new Error(`Dockerfile: ${line}: not a form that is read here`);
    else if (rest.startsWith(INSTALL)) found.packages.push(...words(rest.slice(INSTALL.length)));
    else if (rest.startsWith(COPY_FROM_ROOT)) {
      found.globs.push(...words(rest.slice(COPY_FROM_ROOT.length)).filter((one) => one !== IMAGE));
    } else command(rest, line, found);
  }
  return found;
}

function command(rest: string, line: string, found: Found): void {
  const printed = /^printf (?:-- )?'(.*)' > (\S+)$/.exec(rest);
  if (printed?.[1] !== undefined && printed[2] !== undefined) {
    found.texts.set(printed[2], printed[1].replaceAll("\\n", "\n"));
    return;
  }
  const [name = "", ...args] = words(rest);
  const [first = "", second = ""] = args;
  if (name === "mkdir" && first === "-p") found.directories.push(...args.slice(1));
  else if (name === "chmod") for (const path of args.slice(1)) found.modes.set(path, first);
  else if (name === "ln" && first === "-s" && args.length === 3) found.links.set(args[2] ?? "", second);
  else if (name === "rm" && first === "-f") found.removed.push(...args.slice(1));
  else if (name === "strip") found.stripped.push(...args);
  else throw new Error(`Dockerfile: ${line}: not a form that is read here`);
}

function copy(rest: string, copied: Found["copied"]): void {
  const [option = "", ...paths] = words(rest);
  const mode = /^--chmod=(\d+)$/.exec(option)?.[1];
  const to = paths.at(-1) ?? "";
  if (mode === undefined || !to.endsWith("/"))
    throw new Error(`Dockerfile: COPY ${rest}: not a form that is read here`);
  for (const source of paths.slice(0, -1)) copied.set(posix.join(to, posix.basename(source)), { source, mode });
}

/** Returns instructions with continuation lines joined, without comments and empty lines. */
function instructions(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "");
}

function split(line: string): readonly string[] {
  return /^(\S+)\s+(.*)$/.exec(line)?.slice(1) ?? [];
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Converts a shell pattern to a regular expression: `*` doesn't match a slash. */
export function globPattern(glob: string): RegExp {
  return new RegExp(`^${glob.replaceAll(/[.+^$()[\]{}|\\]/g, "\\$&").replaceAll("*", "[^/]*")}$`);
}
