import type { Family } from "../../lib/ip-json.ts";
import { AgentError } from "../kernel/error.ts";
import { invalidArgument } from "../kernel/invalid-argument.ts";
import { type Network, programOf } from "./network.ts";
import { ruleWords } from "./rule-words.ts";

const SAVE = {
  v4: ["/usr/sbin/iptables-save", "/sbin/iptables-save"],
  v6: ["/usr/sbin/ip6tables-save", "/sbin/ip6tables-save"],
} as const;
const RESTORE = {
  v4: ["/usr/sbin/iptables-restore", "/sbin/iptables-restore"],
  v6: ["/usr/sbin/ip6tables-restore", "/sbin/ip6tables-restore"],
} as const;
/** How long to wait for another program that holds the xtables lock. */
const WAIT_SECONDS = "5";
/** iptables-restore reads at most 10,239 bytes of a line and parses the rest as a new line. */
const MAX_LINE = 10_000;
/** Packet and byte counters in front of a rule. The rule may follow without a space. */
const COUNTERS = /^\[[^\]]*\]/;

/** Returns all tables as `iptables-save` prints them. */
export function getIptables(network: Network, family: Family, signal: AbortSignal): Promise<Buffer> {
  return network.run(programOf(network, SAVE[family]), [], { signal });
}

/** Replaces the tables named in `text`. Resolves with the output of `iptables-restore`. */
export async function setIptables(
  network: Network,
  family: Family,
  text: Uint8Array,
  signal: AbortSignal,
): Promise<Buffer> {
  refuseModprobe(Buffer.from(text).toString("latin1"));
  return network.lock.run(async () => {
    try {
      return await network.run(programOf(network, RESTORE[family]), ["--wait", WAIT_SECONDS], { input: text, signal });
    } catch (error) {
      throw restoreError(error) ?? error;
    }
  });
}

/** Extracts the reason and its line from stderr, without the program's name and the hint to try --help. */
function restoreError(error: unknown): AgentError | undefined {
  const stderr = error instanceof AgentError ? String(error.fields["stderr"] ?? "") : "";
  const lines = stderr.split("\n").map((line) => line.replace(/^ip6?tables-restore( v\S+ \(\w+\))?: /, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("Try `")).join(", ");
  return said === "" ? undefined : new AgentError("internal", `set iptables: ${said}`, { cause: error });
}

/** Refuses `-M` and `--modprobe`: they name a program to run. */
function refuseModprobe(text: string): void {
  for (const [index, line] of text.split("\n").entries()) {
    const where = `set iptables: line ${index + 1}`;
    if (line.length > MAX_LINE) throw invalidArgument(`${where}: longer than ${MAX_LINE} bytes`);
    if (ruleWords(line.replace(COUNTERS, "")).some(isModprobe))
      throw invalidArgument(`${where}: the option --modprobe is not allowed`);
  }
}

/**
 * True for every unambiguous abbreviation of --modprobe, and for -M, also grouped after short options without a value.
 */
function isModprobe(word: string): boolean {
  const [name = ""] = word.split("=", 1);
  if (name.startsWith("--")) return name.length >= "--mo".length && "--modprobe".startsWith(name);
  return /^-[^-ACDEINPRdgijmopst]*M/.test(word);
}
