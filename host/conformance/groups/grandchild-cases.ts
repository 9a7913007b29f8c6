import type { ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, holds } from "../check.ts";

const SOURCE = "kata-containers agent 370; kubectl exec with a background process";

/** Runs a script as an exec and returns the lines of its stdout. Fails the case unless the script exits with 3. */
async function linesOf(
  context: CaseContext,
  script: string,
  { terminal = false }: { readonly terminal?: boolean } = {},
): Promise<string[]> {
  const id = await context.sleeper();
  const exec_id = await context.exec(id, ["sh", "-c", script], { Terminal: terminal });
  const text = terminal
    ? await context.drainTerminal(id, exec_id)
    : (await context.drain("readStdout", id, exec_id)).toString();
  equal((await context.agent.waitProcess({ container_id: id, exec_id })).status, 3, "the status");
  return text.split(terminal ? "\r\n" : "\n");
}

/** Fails the case unless every line is "out". The last one may be cut off. */
function onlyOut(lines: readonly string[]): void {
  const wrong = lines.filter((line, at) => line !== "out" && !(at === lines.length - 1 && "out\r".startsWith(line)));
  holds(lines.length > 1 && wrong.length === 0, "every line of stdout is out", wrong.slice(0, 3));
}

/** Cases of processes whose grandchildren keep the pipes of their output. */
export const pipeGrandchildCases: readonly ConformanceCase[] = [
  {
    name: "ReadStdout: ends although a grandchild keeps the pipe open",
    level: "should",
    source: SOURCE,
    run: async (context) => equal(await linesOf(context, "sleep 1000 & echo out; exit 3"), ["out", ""], "the lines"),
  },
  {
    name: "ReadStdout: ends although a grandchild writes without end",
    level: "may",
    source: "guestd; the reference reads on",
    run: async (context) => onlyOut(await linesOf(context, "yes out & exit 3")),
  },
];

/** Cases of processes whose grandchildren keep their terminal. */
export const terminalGrandchildCases: readonly ConformanceCase[] = [
  {
    name: "ReadStdout: the output of a terminal ends although a grandchild keeps it open",
    level: "should",
    source: SOURCE,
    run: async (context) =>
      onlyOut(await linesOf(context, "trap '' HUP; sleep 1000 & echo out; exit 3", { terminal: true })),
  },
  {
    name: "ReadStdout: the output of a terminal ends although a grandchild writes to it without end",
    level: "may",
    source: "guestd; the reference reads on",
    run: async (context) => onlyOut(await linesOf(context, "trap '' HUP; yes out & exit 3", { terminal: true })),
  },
];
