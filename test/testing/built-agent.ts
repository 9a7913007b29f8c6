import { join } from "node:path";
import { buildShippedAgent, shippedCommand } from "../bench/shipped-agent.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

const repository = join(import.meta.dirname, "../..");

/** Names the folder of the agent that was built for this test run. */
const VARIABLE = "GUESTD_TEST_AGENT";

/** The agent as the image has it, with its code cache: a start takes a tenth of the processor time of one from its sources. */
export interface BuiltAgent {
  readonly directory: string;
  /** Folder of its bundles and addons. */
  readonly files: string;
  /** Command that init executes. */
  readonly command: readonly string[];
}

let building: Promise<BuiltAgent> | undefined;

/** Returns the test run's agent; outside of one, builds it once in each process. */
export function builtAgent(): Promise<BuiltAgent> {
  building ??= build();
  return building;
}

/** Runs before the tests of a project whose agents run in namespaces. */
export async function setup(): Promise<void> {
  process.env[VARIABLE] = (await builtAgent()).directory;
}

async function build(): Promise<BuiltAgent> {
  const known = process.env[VARIABLE];
  const directory = known ?? makeWorkDirectory("built-agent");
  const command = known === undefined ? await buildShippedAgent(repository, directory) : shippedCommand(directory);
  return { directory, files: join(directory, "agent"), command };
}
