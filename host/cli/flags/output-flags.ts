import { type Command, Option } from "commander";
import { visible } from "../../visible.ts";
import { type Template, template } from "../output/template.ts";

/** Flags of every command that lists or prints records. */
export interface OutputFlags {
  readonly output?: "text" | "json";
}

/** Adds `--output json` and its short form `--json`; `shape` says what JSON is printed. */
export function withOutput(command: Command, shape = "print a JSON array"): Command {
  return command
    .addOption(new Option("--output <format>", "text or json").choices(["text", "json"]).default("text"))
    .addOption(new Option("--json", `${shape}; short for --output json`).implies({ output: "json" }));
}

/** Flag of commands that print records one by one. */
export interface FormatFlags {
  readonly format?: Template;
}

/** Adds `--format`; `example` is a template of the command's fields. `short` is a letter, if the command has it free. */
export function withFormat(command: Command, example: string, short = ""): Command {
  return command.option(
    `${short && `-${short}, `}--format <template>`,
    `print each by a Go template, such as '${example}'`,
    template,
  );
}

/** Formats one line for each record. */
export function formatLines(records: readonly unknown[], format: Template): string {
  return records.map((record) => `${format(record)}\n`).join("");
}

export function isJson({ output }: OutputFlags): boolean {
  return output === "json";
}

/** Formats a value as indented JSON in which control characters are escapes. */
export function jsonText(value: unknown): string {
  return visible(`${JSON.stringify(value, null, 2)}\n`);
}

/** Formats a value as JSON on one line. */
export function jsonLine(value: unknown): string {
  return visible(`${JSON.stringify(value)}\n`);
}
