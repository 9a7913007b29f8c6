import { AgentError } from "../kernel/error.ts";
import { type Family, refuse } from "./check.ts";
import type { Network } from "./network.ts";
import { programOf } from "./program-of.ts";

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

/** `-M` and `--modprobe` of a rule name a program that is run. Quotes and escapes can be anywhere in a word. */
function refuseModprobe(text: string): void {
  for (const [index, line] of text.split("\n").entries()) {
    const words = line.replaceAll(/["'\\]/g, "").split(/\s+/);
    if (words.some((word) => /^(-[A-Za-z0-9]*M|--mo)/.test(word))) {
      throw refuse(`set iptables: line ${index + 1}: the option --modprobe is not taken`);
    }
  }
}
