import type { CommandText, Term } from "./command-text.ts";

/** Returns the file name of a command's page: "guestctl-cores-get.1". */
export function manFile({ path }: Pick<CommandText, "path">): string {
  return `${path.join("-")}.1`;
}

/** Formats a command's manual page in man(7) macros. `all` are the commands that it refers to. */
export function manPage(text: CommandText, all: readonly CommandText[], version: string): string {
  const name = text.path.join("-");
  const sections = [
    `.TH ${name.toUpperCase().replaceAll("-", "\\-")} 1 "" "guestctl ${version}" "guestd"`,
    `.SH NAME\n${inRoff(name)} \\- ${inRoff(text.summary)}`,
    `.SH SYNOPSIS\n${text.usage.map((line) => `.B ${inRoff(line)}`).join("\n.br\n")}`,
    `.SH DESCRIPTION\n${[text.description, ...text.notes].map(inRoff).join("\n.PP\n")}`,
    termList("ARGUMENTS", text.arguments),
    termList("OPTIONS", text.options),
    termList("COMMANDS", text.commands),
    text.examples.length === 0 ? "" : `.SH EXAMPLES\n.EX\n${text.examples.map(inRoff).join("\n")}\n.EE`,
    seeAlso(text, all),
  ];
  return `${sections.filter((section) => section !== "").join("\n")}\n`;
}

function termList(title: string, terms: readonly Term[]): string {
  if (terms.length === 0) return "";
  return `.SH ${title}\n${terms.map(({ term, text }) => `.TP\n.B ${inRoff(term)}\n${inRoff(text)}`).join("\n")}`;
}

/** Refers to the command above and to those below. */
function seeAlso({ path }: CommandText, all: readonly CommandText[]): string {
  const isNear = (other: readonly string[]) =>
    isBelow(path, other) ? other.length === path.length - 1 : isBelow(other, path) && other.length === path.length + 1;
  const names = all.filter((each) => isNear(each.path)).map((each) => each.path.join("-"));
  return names.length === 0 ? "" : `.SH SEE ALSO\n${names.map((name) => `.BR ${inRoff(name)} (1)`).join(",\n")}`;
}

function isBelow(path: readonly string[], above: readonly string[]): boolean {
  return path.length > above.length && above.every((word, at) => word === path[at]);
}

/** Characters that roff would interpret or print as typographic ones. */
const ROFF: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "~": "\\(ti",
  "^": "\\(ha",
  "…": "...",
  "→": "->",
};

/** Escapes text for roff, also a dot at the beginning of a line. */
function inRoff(text: string): string {
  return text.replaceAll(/[\\\-'`~^…→]/g, (character) => ROFF[character] ?? character).replaceAll(/^(?=\.)/gm, "\\&");
}
