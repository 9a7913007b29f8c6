import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { oneLine } from "../../operation-error.ts";
import { CliError } from "../cli-error.ts";
import { print } from "../output/print.ts";

interface RecordFlags {
  readonly listen: string;
  readonly to: string;
  readonly redact?: true;
}

const HELP = `
The host connects to the address of --listen instead of the agent's. Every byte is passed on unchanged, and each call becomes a
line of JSON with its time, its messages and its error. ^C ends the recording. docs/conversations.md describes the file.

  guestctl record --listen unix:///tmp/recorded.sock --to unix:///run/agent.sock conversation.jsonl
  guestctl record --redact --listen unix:///tmp/recorded.sock --to vsock://3:1024 for-a-bug-report.jsonl`;

/** Adds `guestctl record`. */
export function addRecord(program: Command): void {
  program
    .command("record")
    .description("Relay a host's conversation with an agent, and write its decoded calls to a new file.")
    .argument("<file>", "file to create, of JSON lines")
    .requiredOption("--listen <address>", "where the host connects: unix:///path, unix://@name or hvsock:///path:port")
    .requiredOption("--to <address>", "address of the agent")
    .option("--redact", "replace environment values, bytes and policies by as many x")
    .addHelpText("after", HELP)
    .action((file: string, flags: RecordFlags) => record(file, flags));
}

async function record(file: string, { listen, to, redact }: RecordFlags): Promise<void> {
  const { startRecording } = await import("../../conversation/record/record.ts");
  using interrupts = new Interrupts();
  let complete: boolean;
  {
    await using recording = await startRecording({ listen, to, file, redacted: redact ?? false, onError: report });
    await print(`${recording.address} -> ${to}, recorded to ${file}; ^C ends it\n`);
    await interrupts.next();
    complete = recording.complete;
  }
  if (!complete) throw new CliError(`record ${file}: not complete, as reported above`);
}

function report(error: Error): void {
  process.stderr.write(`guestctl: ${oneLine(error)}\n`);
}
