import { AgentError } from "../kernel/error.ts";
import { type Network, programOf } from "./network.ts";

const PROGRAMS = ["/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip", "/bin/ip"] as const;

/** Runs `ip -json` and parses its output. `-N` prints scopes and types as numbers. */
export async function ipJson<T>(network: Network, args: readonly string[], signal: AbortSignal): Promise<T[]> {
  const output = await network.run(programOf(network, PROGRAMS), ["-json", "-N", ...args], { signal });
  return parse(output);
}

function parse<T>(output: Buffer): T[] {
  const text = output.toString().trim();
  return text === "" ? [] : (JSON.parse(text) as T[]);
}

/** A batch stopped at a line that failed. Earlier lines took effect, later ones were not run. */
export class BatchError extends AgentError {
  readonly line: number;
  readonly reason: string;

  constructor(line: number, command: string, reason: string, cause: unknown) {
    super("internal", `ip ${command}: ${reason}`, { cause });
    this.line = line;
    this.reason = reason;
  }
}

/**
 * Runs lines in one `ip` process, up to the first that fails. Returns the parsed output of the line that shows
 * something.
 */
export async function ipBatch<T>(network: Network, lines: readonly string[], signal: AbortSignal): Promise<T[]> {
  const input = lines.map((line) => `${line}\n`).join("");
  try {
    const args = ["-json", "-N", "-details", "-batch", "-"];
    return parse(await network.run(programOf(network, PROGRAMS), args, { input, signal }));
  } catch (error) {
    throw batchError(lines, error) ?? error;
  }
}

/** Extracts the reason: `ip` prints it before "Command failed -:3". */
function batchError(lines: readonly string[], error: unknown): BatchError | undefined {
  const stderr = error instanceof AgentError ? String(error.fields["stderr"] ?? "") : "";
  const failed = /^Command failed -:(\d+)$/m.exec(stderr);
  const line = Number(failed?.[1]) - 1;
  const command = lines[line];
  if (failed === null || command === undefined) return undefined;
  const said = stderr
    .slice(0, failed.index)
    .trim()
    .replace(/^(RTNETLINK answers|Error): /, "");
  return new BatchError(line, command, said.replaceAll("\n", " ") || "failed", error);
}
