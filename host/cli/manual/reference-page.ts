import type { CommandText, Term } from "./command-text.ts";

const HEAD = `# guestctl: reference of commands

All commands of guestctl with their options, for looking things up. \`npm run docs:commands\` writes this page from the
definitions that \`guestctl COMMAND --help\` and the manual pages show. [guestctl.md](guestctl.md) explains how to use them.
`;

/** Formats docs/guestctl-reference.md. */
export function referencePage(texts: readonly CommandText[]): string {
  const commands = texts.filter(({ path }) => path.length > 1);
  return `${HEAD}\n${commands.map(section).join("\n")}`;
}

function section({ path, usage, description, notes, examples, ...lists }: CommandText): string {
  const parts = [
    `## ${path.slice(1).join(" ")}`,
    code(usage),
    [description, ...notes].map(inMarkdown).join("\n\n"),
    list(lists.arguments),
    list(lists.options),
    list(lists.commands),
    examples.length === 0 ? "" : code(examples),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function list(terms: readonly Term[]): string {
  return terms.map(({ term, text }) => `- \`${term}\`${text === "" ? "" : `: ${inMarkdown(text)}`}`).join("\n");
}

/** Not a sample that the tests run. */
function code(lines: readonly string[]): string {
  return `\`\`\`text\n${lines.join("\n")}\n\`\`\``;
}

/** Escapes what Markdown would interpret outside code. */
function inMarkdown(text: string): string {
  return text.replaceAll(/[<>*_[\]]/g, (character) => `\\${character}`);
}
