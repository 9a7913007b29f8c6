import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type GuestctlProcess, startGuestctl, startProgram } from "../../scenarios/guestctl-process.ts";
import type { Machine } from "../../scenarios/machine.ts";

/** OpenSSH's programs with the configuration that guestctl prints for a container, over one connection. */
export class SshClient {
  /** The host's name in ssh_config. */
  readonly host: string;
  readonly config: string;
  readonly env: NodeJS.ProcessEnv;
  /** The connection that commands share. */
  readonly master: GuestctlProcess;

  private constructor(host: string, config: string, env: NodeJS.ProcessEnv, master: GuestctlProcess) {
    this.host = host;
    this.config = config;
    this.env = env;
    this.master = master;
  }

  static async open(
    machine: Machine & { readonly directory: string },
    container: string,
    ...flags: string[]
  ): Promise<SshClient> {
    const home = join(machine.directory, "home");
    mkdirSync(home, { mode: 0o700, recursive: true });
    const env = { HOME: home, SSH_AUTH_SOCK: "", LC_TEST: "given" };
    const printed = startGuestctl(["ssh-proxy", "--config", ...flags, "--address", machine.address, container], {
      env,
    });
    if ((await printed.ended) !== 0) throw new Error(printed.output.stderr);
    const [config, control] = [join(home, `${container}.config`), join(home, `${container.slice(-3)}.sock`)];
    writeFileSync(config, `${printed.output.stdout}  ControlPath ${control}\n  SendEnv LC_TEST\n`);
    const master = startProgram(["ssh", "-F", config, "-MN", container], { env });
    while (!existsSync(control)) {
      if (master.child.exitCode !== null) throw new Error(master.output.stderr);
      await sleep(20);
    }
    return new SshClient(container, config, env, master);
  }

  /** Starts one of OpenSSH's programs, such as scp. */
  run(program: string, args: readonly string[], options: { readonly tty?: boolean } = {}): GuestctlProcess {
    return startProgram([program, "-F", this.config, ...args], { env: this.env, ...options });
  }

  ssh(command: string, ...flags: string[]): GuestctlProcess {
    return this.run("ssh", [...flags, this.host, command]);
  }

  /** Like `ssh`, over a connection of its own. */
  alone(command: string, ...flags: string[]): GuestctlProcess {
    return this.ssh(command, "-o", "ControlPath=none", ...flags);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.master.child.kill();
    await this.master.ended;
  }
}

/** Awaits a program's end, and returns its status and output. */
export async function outcome({ ended, output }: GuestctlProcess) {
  const code = await ended;
  return { code, stdout: output.stdout.toString(), stderr: output.stderr };
}
