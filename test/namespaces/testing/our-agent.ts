import { join } from "node:path";
import { startedTarget } from "../../../host/conformance/target/started-target.ts";
import type { Target } from "../../../host/conformance/target/target.ts";
import { builtAgent } from "../../testing/built-agent.ts";

const repository = join(import.meta.dirname, "../../..");

/** Returns the shell command that starts our agent under init, for `guestctl conformance --start`. */
export async function startCommand(): Promise<string> {
  const init = join(repository, "build/native/init");
  return [
    "exec",
    init,
    "--",
    "/usr/bin/env",
    "KATA_AGENT_SERVER_ADDR=unix://{address}",
    ...(await builtAgent()).command,
  ].join(" ");
}

/** Returns a target that starts our agent in namespaces. */
export async function ourTarget(): Promise<Target> {
  return startedTarget({ command: await startCommand() });
}
