import type { Command } from "commander";
import { type RunningAgent, upgradeAgent } from "../../client/upgrade-agent.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { StateStore } from "../state-store.ts";
import { connectTo, findTarget, type TargetFlags, withTarget } from "../target.ts";

interface UpgradeFlags extends TargetFlags {
  readonly image?: true;
}

const HELP = `
A bundle is what "npm run build" makes: build/agent/agent.cpio. Containers go on meanwhile, with their output and whoever
waits for them. When the new agent does not come up, the one of the image runs again, and this fails and says why.

  guestctl upgrade build/agent/agent.cpio
  guestctl upgrade --image`;

/** `guestctl upgrade`. */
export function addUpgrade(program: Command): void {
  const command = program
    .command("upgrade")
    .summary("have another agent take over in a running guest")
    .description("Sends a bundle to a guest, where its agent takes over from the one that runs.")
    .argument("[bundle]", "a file")
    .option("--image", "back to the agent of the image; one that runs already is started anew");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((bundle: string | undefined, flags: UpgradeFlags) => upgrade(bundle, flags));
}

async function upgrade(bundle: string | undefined, flags: UpgradeFlags): Promise<void> {
  if ((bundle === undefined) === (flags.image === undefined)) {
    throw new CliError("upgrade: say either a bundle or --image");
  }
  const target = findTarget(new StateStore(), flags);
  const { before, after, wanted } = await upgradeAgent(() => connectTo(target), bundle);
  if (after.bundle !== wanted) {
    throw new CliError(`upgrade: the bundle was left: ${after.left_reason}; ${named(after)} runs`);
  }
  process.stdout.write(`${visibleLine(`${named(before)} → ${named(after)}`)}\n`);
}

function named({ version, bundle }: RunningAgent): string {
  return `${version} (${bundle === "" ? "the image's own" : bundle.slice(0, 12)})`;
}
