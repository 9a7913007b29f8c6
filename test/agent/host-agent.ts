import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentClient, type ConnectOptions, connect } from "../../host/client/agent-client.ts";
import { type RunningInit, startInit } from "../init/harness.ts";

const repository = join(import.meta.dirname, "../..");
const node = process.execPath;

/** An agent under a real init in namespaces of this machine, without a VM. */
export interface HostAgent extends AsyncDisposable {
  readonly init: RunningInit;
  /** A directory that the agent sees under the same path. */
  readonly directory: string;
  readonly address: string;
  connect(options?: ConnectOptions): Promise<AgentClient>;
  /** A root file system of busybox, new for each name. */
  rootfs(name: string): string;
}

export interface HostAgentOptions {
  /** Default: build/native/init. */
  readonly init?: string;
  /** Default: Node with agent/main.ts. */
  readonly agentCommand?: readonly string[];
}

export async function startHostAgent(options: HostAgentOptions = {}): Promise<HostAgent> {
  mkdirSync(join(repository, "build/test"), { recursive: true });
  const directory = mkdtempSync(join(repository, "build/test/agent-"));
  const address = `unix://${directory}/agent.sock`;
  const command = options.agentCommand ?? [node, join(repository, "agent/main.ts")];
  const init = startInit({
    ...(options.init === undefined ? {} : { init: options.init }),
    agentCommand: ["/usr/bin/env", `KATA_AGENT_SERVER_ADDR=${address}`, ...command],
  });
  const close = async () => {
    await init.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await init.waitForConsole(/guestd: listening/, 20_000);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    init,
    directory,
    address,
    connect: (connectOptions) => connect(address, connectOptions),
    rootfs: (name) => makeRootfs(join(directory, name)),
    [Symbol.asyncDispose]: close,
  };
}

function makeRootfs(path: string): string {
  for (const name of ["bin", "etc", "proc", "sys", "dev", "tmp", "root"]) mkdirSync(join(path, name), { recursive: true });
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("no busybox: apt-get install busybox-static");
  cpSync(busybox, join(path, "bin/busybox"));
  for (const applet of execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n")) {
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(path, "bin", applet));
  }
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n");
  return path;
}
