import { join } from "node:path";
import { startedTarget } from "../../../host/conformance/target/started-target.ts";
import type { Target } from "../../../host/conformance/target/target.ts";
import { buildShippedAgent } from "../../bench/shipped-agent.ts";

const repository = join(import.meta.dirname, "../../..");

/** Builds our agent in `directory`. Returns the shell command that starts it under init, for `guestctl conformance --start`. */
export async function startCommand(directory: string): Promise<string> {
  const init = join(repository, "build/native/init");
  const agent = await buildShippedAgent(repository, directory);
  return ["exec", init, "--", "/usr/bin/env", "KATA_AGENT_SERVER_ADDR=unix://{address}", ...agent].join(" ");
}

/** Builds our agent in `directory`. Returns a target that starts it in namespaces. */
export async function ourTarget(directory: string): Promise<Target> {
  return startedTarget({ command: await startCommand(directory) });
}
