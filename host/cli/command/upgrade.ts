import type { Command } from "commander";
import type { RunningAgent } from "../../client/upgrade-agent.ts";
import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { visibleLine } from "../../visible.ts";
import { CliError } from "../cli-error.ts";
import { findTarget, type TargetFlags, withTarget } from "../guest/target.ts";

interface UpgradeFlags extends TargetFlags {
  readonly image?: true;
}

const HELP = `
A bundle is a file that "npm run build" writes: build/agent/agent.cpio. Containers keep running meanwhile, and their output and
waiters are kept. If the new agent doesn't start, the image's own runs again, and this command fails and reports why.

  guestctl upgrade build/agent/agent.cpio
  guestctl upgrade --image`;

/** Adds `guestctl upgrade`. */
export function addUpgrade(program: Command): void {
  const command = program
    .command("upgrade")
    .description("Send an agent bundle to a guest, where it takes over from the running agent.")
    .argument("[bundle]", "file of the bundle")
    .option("--image", "return to the image's agent; restarts it if it is already running");
  withTarget(command)
    .addHelpText("after", HELP)
    .action((bundle: string | undefined, flags: UpgradeFlags) => upgrade(bundle, flags));
}

async function upgrade(bundle: string | undefined, flags: UpgradeFlags): Promise<void> {
  if ((bundle === undefined) === (flags.image === undefined)) {
    throw new CliError("upgrade: give either a bundle or --image");
  }
  const store = new StateStore();
  const { before, after, wanted } = await new Guest(store, findTarget(store, flags)).upgrade(bundle);
  if (after.bundle !== wanted) {
    throw new CliError(
      `upgrade: the guest abandoned the bundle: ${after.left_reason}; ${describeAgent(after)} is running`,
    );
  }
  process.stdout.write(`${visibleLine(`${describeAgent(before)} → ${describeAgent(after)}`)}\n`);
}

function describeAgent({ version, bundle }: RunningAgent): string {
  return `${version} (${bundle === "" ? "the image's own" : bundle.slice(0, 12)})`;
}
