/** A command that can't be done. The message is one line: what failed, on what, why, what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** Of guestctl, where it isn't the usual one of a failure. */
  readonly exitCode: number | undefined;

  constructor(
    message: string,
    { exitCode, ...options }: ErrorOptions & { readonly exitCode?: number | undefined } = {},
  ) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

import { visibleLine } from "../visible.ts";

/** Characters of an error: an agent's may have 4 MiB. */
const LONGEST = 4000;

/** What a person is told of anything thrown: one line, without a stack. */
export function oneLine(error: unknown): string {
  if (error instanceof SuppressedError) return oneLine(error.suppressed);
  const text = error instanceof Error ? error.message : String(error);
  const [first = ""] = text.split("\n", 1);
  const line = first.replace(/; its console's last lines:$/, "; --verbose shows its console").trim();
  return visibleLine(line.length > LONGEST ? `${line.slice(0, LONGEST)} …` : line) || "it failed";
}
