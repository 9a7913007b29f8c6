import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { isCheckout } from "../../../lib/package-root.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { guestFiles } from "../../vm/guest-files.ts";
import { guestctlCommand } from "../../vm/guestctl-command.ts";
import { busyboxImage, carriedPrograms, setupScript } from "../../vm/paths.ts";
import { CliError } from "../cli-error.ts";
import { print } from "../output/print.ts";
import { StatusLine } from "../output/status-line.ts";

interface SetupFlags {
  readonly yes?: true;
  readonly vsockDevice?: true;
  readonly virtiofsd?: true;
  readonly kernel?: string;
  readonly modules?: string;
  readonly remove?: true;
}

const HELP = `
Guests need QEMU and a kernel, and virtiofsd for folders of this machine (run -v), which the packages of guestd carry.
Setup lists what is missing, asks, and installs it: programs by apt, which needs root or a sudo without a password, and
the kernel as Debian's package, which is unpacked to
\${GUESTD_CACHE:-~/.cache/guestd} and not installed. On other distributions than Debian and Ubuntu it prints what to install.
Then it unpacks the guest. guestctl doctor shows what is there.

  guestctl setup --yes
  guestctl setup --kernel bzImage --modules lib/modules/6.12.9
  guestctl setup --remove`;

/** Adds `guestctl setup`. */
export function addSetup(program: Command): void {
  program
    .command("setup")
    .description("List what is missing for guests on this machine, and install it.")
    .option("-y, --yes", "install without asking")
    .option(
      "--vsock-device",
      "in a checkout: also build vhost-device-vsock, for vsock where /dev/vhost-vsock is unusable",
    )
    .option(
      "--virtiofsd",
      "in a checkout: also build virtiofsd, for run -v by an ordinary user of a distribution with QEMU's",
    )
    .option("--kernel <file>", "boot guests with this kernel instead of Debian's")
    .option("--modules <dir>", "with --kernel: its lib/modules/RELEASE (default: all drivers are built in)")
    .option("--remove", "remove all that guestd keeps: kernel, tools, images, disks of containers, templates")
    .addHelpText("after", HELP)
    .action((flags: SetupFlags) => setup(flags));
}

async function setup(flags: SetupFlags): Promise<void> {
  if (flags.modules !== undefined && flags.kernel === undefined) throw new CliError("setup: --modules needs --kernel");
  if (flags.remove) {
    const { removeCache } = await import("../prune/remove-cache.ts");
    const folders = await removeCache(new StateStore());
    await print(`removed what guests need from ${folders.join(" and ")}; packages of apt are still installed\n`);
    return;
  }
  if (flags.kernel !== undefined) {
    const { keepKernel } = await import("../../vm/keep-kernel.ts");
    await print(`kernel ${await keepKernel(flags.kernel, flags.modules)}: kept for guests\n`);
  }
  const goal = isCheckout() ? "demo" : "guest";
  const wanted = [goal, ...(flags.vsockDevice ? ["--vsock-device"] : []), ...(flags.virtiofsd ? ["--virtiofsd"] : [])];
  if (isMissing(wanted)) {
    if (!flags.yes && !process.env["CI"]) await ask();
    if (runScript(wanted, "inherit").status !== 0) throw new CliError("setup: not everything was installed; see above");
  }
  using status = new StatusLine();
  status.show("unpacking the guest …");
  await guestFiles();
  status.clear();
  await print(`ready; try: ${guestctlCommand()} run ${busyboxImage()} echo hello\n`);
}

/** Prints what is missing and returns true, or returns false. Throws if this user or machine can't install it. */
function isMissing(wanted: readonly string[]): boolean {
  const { status, stdout } = runScript([...wanted, "--list"], "pipe");
  process.stdout.write(stdout);
  if (status !== 0) throw new CliError("setup: nothing was installed; see above");
  return stdout !== "";
}

async function ask(): Promise<void> {
  if (!process.stdin.isTTY) throw new CliError("setup: nothing was installed; repeat with --yes to install it");
  using lines = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl+C and Ctrl+D reject it.
  const answer = await lines.question("Install it? [Y/n] ").catch(() => "no");
  if (!/^(y|yes|)$/i.test(answer.trim())) throw new CliError("setup: nothing was installed");
}

function runScript(args: readonly string[], stdout: "inherit" | "pipe") {
  const done = spawnSync("sh", [setupScript(), ...args], {
    stdio: ["ignore", stdout, "inherit"],
    encoding: "utf8",
    env: { ...process.env, GUESTCTL: guestctlCommand(), GUESTD_CARRIED: carriedPrograms() },
  });
  if (done.error !== undefined) throw new CliError(`setup: sh: ${done.error.message}`);
  return { status: done.status, stdout: done.stdout ?? "" };
}
