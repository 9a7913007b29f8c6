import { resolve } from "node:path";
import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { guestctlProgram } from "../../vm/paths.ts";
import { count } from "../flags/option-values.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

interface SshProxyFlags extends TargetFlags {
  readonly config?: true;
  readonly user?: string;
  readonly authorizedKeys?: string;
  readonly reconnectTimeout?: number;
}

const HELP = `
ssh starts this command by ProxyCommand; --config prints the lines for ~/.ssh/config. Then ssh, scp, sftp, rsync, git and
editors work in the container, which needs a shell but no sshd. The keys that it accepts are the one that --config made,
those that ssh-agent holds, and those of --authorized-keys. The user name that ssh sends does not matter; see --user.

  guestctl ssh-proxy --config web >> ~/.ssh/config
  ssh web
  scp app.log web:`;

/** Adds `guestctl ssh-proxy`. */
export function addSshProxy(program: Command): void {
  const command = program
    .command("ssh-proxy")
    .description(
      "Serve SSH to a running container on stdin and stdout. CONTAINER is an id, or the beginning of a random one.",
    )
    .argument("<container>")
    .option("--config", "print the lines for ~/.ssh/config instead")
    .option("-u, --user <user>", "user in the container (default: the container's), optionally with :group")
    .option("--authorized-keys <file>", "also accept the public keys in a file")
    .option("--reconnect-timeout <seconds>", "how long to try to connect to the agent again (default: 60)", count);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((container: string, flags: SshProxyFlags) => sshProxy(container, flags));
}

async function sshProxy(text: string, flags: SshProxyFlags): Promise<void> {
  const { agentKeys, authorizedKeys, proxyKeys } = await import("../ssh/proxy-keys.ts");
  if (flags.config) {
    const { sshConfig } = await import("../ssh/ssh-config.ts");
    return print(sshConfig(text, commandLine(text, flags), proxyKeys()));
  }
  const { stdioStream } = await import("../ssh/stdio-stream.ts");
  const { serveSsh } = await import("../ssh/serve-ssh.ts");
  const { sshTarget } = await import("../ssh/ssh-target.ts");
  const store = new StateStore();
  const { withUsersOf } = await import("../../engine/guest/users-in.ts");
  await using users = await withUsersOf(findContainer(store, flags, text), flags.user);
  const target = sshTarget(store, users.target, flags);
  const given = flags.authorizedKeys === undefined ? [] : authorizedKeys(flags.authorizedKeys);
  const { hostKey, key } = proxyKeys();
  using interrupts = new Interrupts();
  const keys = [key, ...given, ...(await agentKeys())];
  await serveSsh(stdioStream(), target, { hostKey, keys, signal: interrupts.signal });
}

/** Returns the words that start this command again. */
function commandLine(container: string, flags: SshProxyFlags): string[] {
  const { guest, address, user, authorizedKeys: file, reconnectTimeout: seconds } = flags;
  const given = Object.entries({
    guest,
    address,
    user,
    "authorized-keys": file && resolve(file),
    "reconnect-timeout": seconds,
  });
  const words = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
  return [guestctlProgram(), "ssh-proxy", ...words, container];
}
