import { type Command, Option } from "commander";
import { connect } from "../../client/agent-client.ts";
import type { Difference, ReplayResult } from "../../conversation/replay/replay.ts";
import { visibleLine } from "../../visible.ts";
import { count } from "../flags/option-values.ts";
import { print } from "../output/print.ts";

interface ReplayFlags {
  readonly ignore?: readonly string[];
  readonly timeout: number;
  readonly protocol?: "ttrpc" | "grpc";
}

const HELP = `
Calls are made in the recorded order and concurrency: each one once all responses that were recorded before it have arrived. Each
result that differs is a line with its first field that differs. The exit code is 1 if a result differs.

  guestctl replay conversation.jsonl unix:///run/agent.sock
  guestctl replay conversation.jsonl vsock://3:1024 --ignore 'CreateContainer.error.text' --ignore 'ListRoutes.Routes[].source'

Times, counters, memory, metrics and versions aren't compared. docs/conversations.md lists these fields.`;

/** Adds `guestctl replay`. */
export function addReplay(program: Command): void {
  program
    .command("replay")
    .description(
      "Make the calls of a recorded conversation at an agent, and compare its results with the recorded ones.",
    )
    .argument("<file>", "file that guestctl record wrote")
    .argument("<address>", "address of the agent: unix:///path, unix://@name, vsock://cid:port or hvsock:///path:port")
    .option("--ignore <path>", "don't compare a field; * stands for any name, [] for a list's items", paths)
    .option("--timeout <seconds>", "how long a recorded response may take", count, 10)
    .addOption(
      new Option("--protocol <protocol>", "protocol of the agent (default: the recorded one)").choices([
        "ttrpc",
        "grpc",
      ]),
    )
    .addHelpText("after", HELP)
    .action((file: string, address: string, flags: ReplayFlags) => replayFile(file, address, flags));
}

const paths = (path: string, before: readonly string[] = []) => [...before, path];

async function replayFile(file: string, address: string, flags: ReplayFlags): Promise<void> {
  const { ignore = [], timeout } = flags;
  const { openConversation } = await import("../../conversation/format/read-conversation.ts");
  const { replay } = await import("../../conversation/replay/replay.ts");
  const { header, entries } = await openConversation(file);
  const protocol = flags.protocol ?? header.protocol;
  const options = { ignore, timeoutMs: timeout * 1000, redacted: header.redacted ?? false };
  const result = await replay(entries, () => connect(address, { protocol }), options);
  await print(resultText(result));
  if (result.differences.length > 0) process.exitCode = 1;
}

/** Formats one line for each difference, and a summary. Exported for its test. */
export function resultText({ calls, skipped, differences }: ReplayResult): string {
  const counts = [
    `${calls} calls`,
    differences.length === 0 ? "no difference" : `${differences.length} differ`,
    ...(skipped === 0 ? [] : [`${skipped} lines can't be replayed`]),
  ];
  return `${[...differences.map(lineOf), counts.join(", ")].join("\n")}\n`;
}

function lineOf({ line, stream, field, recorded, actual }: Difference): string {
  return visibleLine(`line ${line}, stream ${stream}: ${field}: recorded ${shown(recorded)}, now ${shown(actual)}`);
}

function shown(value: unknown): string {
  const text = value === undefined ? "absent" : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)} …` : text;
}
