import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { buildShippedAgent, shippedCommand } from "../shipped-agent.ts";

/** An agent to measure. */
export interface BenchAgent {
  /** Name in the table. */
  readonly name: string;
  readonly command: readonly string[];
  /** PID 1 above the agent, if not guestd's. */
  readonly init?: string;
}

/** Returns this checkout's agent as the image has it, built into `folder`. */
export async function ownAgent(root: string, folder: string): Promise<BenchAgent> {
  return { name: "guestd", command: await buildShippedAgent(root, folder) };
}

/**
 * Returns the agent at `path`: a program that serves the address in KATA_AGENT_SERVER_ADDR, as kata-agent does, or another
 * checkout of guestd that `npm ci` and `npm run build` have prepared, which builds its agent into `folder`.
 */
export function otherAgent(path: string, folder: string): BenchAgent {
  const whole = resolve(path);
  const name = basename(whole);
  if (!existsSync(whole)) throw new Error(`--beside ${path}: there is no such program or checkout`);
  if (!statSync(whole).isDirectory())
    return { name, command: [whole], init: join(import.meta.dirname, "plain-init.sh") };
  const program = join(whole, "test/bench/attachments/compare-agents.ts");
  if (!existsSync(program))
    throw new Error(`--beside ${path}: not a checkout of guestd, or older than 18 November 2026`);
  execFileSync(process.execPath, [program, "--build", folder], { cwd: whole, stdio: ["ignore", "ignore", "inherit"] });
  return { name: `guestd in ${name}`, command: shippedCommand(folder) };
}
