import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "../../../host/client/agent-client.ts";
import { makeOpenDirectory } from "../../clean-up/work-directory.ts";
import { startInit } from "../../init/testing/harness.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import type { Machine } from "../../scenarios/machine.ts";
import { builtAgent } from "../../testing/built-agent.ts";

export interface HostAgentOptions {
  /** Default: build/native/init. */
  readonly init?: string;
  /** Default: the agent as the image has it. */
  readonly agentCommand?: readonly string[];
  /** Lines of a TOML configuration file. */
  readonly config?: string | undefined;
}

/**
 * Starts an agent under a real init in namespaces of this machine, without a VM. Its directory has the same path
 * inside.
 */
export async function startHostAgent(
  options: HostAgentOptions = {},
): Promise<Machine & { readonly directory: string; agentPid(): Promise<number>; initPid(): Promise<number> }> {
  const directory = makeOpenDirectory("agent");
  const address = `unix://${directory}/agent.sock`;
  const command = options.agentCommand ?? (await builtAgent()).command;
  const config = join(directory, "agent.toml");
  if (options.config !== undefined) writeFileSync(config, `server_addr = "${address}"\n${options.config}\n`);
  const setting = options.config === undefined ? `KATA_AGENT_SERVER_ADDR=${address}` : `GUESTD_CONFIG_FILE=${config}`;
  const init = startInit({
    init: options.init,
    agentCommand: ["/usr/bin/env", setting, ...command],
  });
  const close = async () => {
    await init.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  const listening = async (times: number) => {
    await init.waitForConsole(/guestd: listening/, undefined, times);
  };
  const agentPid = async () => {
    const pid = (await init.children()).find((child) => isAgent(commandOf(child)));
    if (pid === undefined) throw new Error("no agent is running");
    return pid;
  };
  let agents = 1;
  try {
    await listening(1);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    real: false,
    directory,
    address,
    storages: [],
    connect: (connectOptions) => connect(address, connectOptions),
    rootfs: (name) => makeBusyboxRootfs(join(directory, name)),
    volume: (name) => `/run/kata-containers/shared/containers/${name}`,
    hostPath: (path) => path,
    agentPid,
    initPid: () => init.pid(),
    async shell(line) {
      const enter = ["-t", String(await init.pid()), "-m", "-p", "-u", "-i", "-n", "-C", "/bin/sh", "-c", line];
      return (await promisify(execFile)("nsenter", enter)).stdout;
    },
    async killAgent() {
      process.kill(await agentPid(), "SIGKILL");
      await listening(++agents);
    },
    console: () => init.console(),
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Recognises the agent's command line. A child that init has forked but that has not executed yet has init's command
 * line, which names the agent too, and a hook's script may name it as well.
 */
function isAgent(command: string): boolean {
  const [program = ""] = command.split("\0");
  return program.startsWith("/") && !/\/(init[\w-]*|env)$/.test(program) && /agent|launcher/.test(command);
}

/** Returns a process's command line, or "" if it has ended since it was listed. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
