import { AgentError } from "../kernel/error.ts";
import { type Family, refuse } from "./check.ts";
import type { Network } from "./network.ts";
import { programOf } from "./program-of.ts";
import { ruleWords } from "./rule-words.ts";

const SAVE = {
  v4: ["/usr/sbin/iptables-save", "/sbin/iptables-save"],
  v6: ["/usr/sbin/ip6tables-save", "/sbin/ip6tables-save"],
} as const;
const RESTORE = {
  v4: ["/usr/sbin/iptables-restore", "/sbin/iptables-restore"],
  v6: ["/usr/sbin/ip6tables-restore", "/sbin/ip6tables-restore"],
} as const;
/** How long another who changes the tables is waited for. */
const WAIT_SECONDS = "5";
/** iptables-restore reads 10,239 bytes at once, and takes what is beyond them for another line. */
const MAX_LINE = 10_000;
/** Packets and bytes before a rule, which may begin right behind them. */
const COUNTERS = /^\[[^\]]*\]/;

/** All tables, as `iptables-save` prints them. */
export function getIptables(network: Network, family: Family, signal: AbortSignal): Promise<Buffer> {
  return network.run(programOf(network, SAVE[family]), [], { signal });
}

/** Puts the tables in `text` in the place of those of the same names; gives what `iptables-restore` prints. */
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

/** Of what it says, without its name and without the hint at --help: what is wrong and in which line. */
function restoreError(error: unknown): AgentError | undefined {
  const stderr = error instanceof AgentError ? String(error.fields["stderr"] ?? "") : "";
  const lines = stderr.split("\n").map((line) => line.replace(/^ip6?tables-restore( v\S+ \(\w+\))?: /, "").trim());
  const said = lines.filter((line) => line !== "" && !line.startsWith("Try `")).join(", ");
  return said === "" ? undefined : new AgentError("internal", `set iptables: ${said}`, { cause: error });
}

/** `-M` and `--modprobe` of a rule name a program that is run. */
function refuseModprobe(text: string): void {
  for (const [index, line] of text.split("\n").entries()) {
    const where = `set iptables: line ${index + 1}`;
    if (line.length > MAX_LINE) throw refuse(`${where}: longer than ${MAX_LINE} bytes`);
    if (ruleWords(line.replace(COUNTERS, "")).some(isModprobe))
      throw refuse(`${where}: the option --modprobe is not taken`);
  }
}

/** By any part of its name that no other option begins with; the short one also behind those that take no value. */
function isModprobe(word: string): boolean {
  const [name = ""] = word.split("=", 1);
  if (name.startsWith("--")) return name.length >= "--mo".length && "--modprobe".startsWith(name);
  return /^-[^-ACDEINPRdgijmopst]*M/.test(word);
}
