import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { connect } from "../../client/agent-client.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { addInterface } from "./add-interface.ts";
import { startBare } from "./bare-command.ts";
import { describeGuestLike, startGuestLike } from "./guest-like.ts";
import { restartBy } from "./restart.ts";
import type { StartedCommand } from "./started-command.ts";
import type { AgentUnderTest, Target } from "./target.ts";

/** Place of the agent's socket. An agent that is PID 1 covers /run and /tmp, and /dev is its own. */
const PLACE = "/var/tmp";
const MAX_OUTPUT = 64 * 1024;
export interface StartOptions {
  /**
   * Shell command, in which `{address}` is replaced by the path of the socket to serve. It runs in namespaces that look like a guest
   * unless it begins with "bare:": it prepares the agent's namespaces and cgroups itself then.
   */
  readonly command: string;
  /** Shell command that kills the agent, in which `{pid}` is replaced by the pid of the started command. */
  readonly restart?: string | undefined;
  /** Time until the agent has to answer a health check. */
  readonly limitMs?: number;
}

const BARE = /^bare:\s*/;

/** Returns a target that starts a fresh agent for each group. */
export function startedTarget(options: StartOptions): Target {
  const surroundings = BARE.test(options.command) ? "those that its command prepares" : describeGuestLike();
  return { description: `started by ${options.command}`, surroundings, open: () => startAgent(options) };
}

async function startAgent({ command, restart, limitMs = 30_000 }: StartOptions): Promise<AgentUnderTest> {
  const folder = makeTemporaryFolder("guestd-conformance-", PLACE);
  const socket = join(folder, "agent.sock");
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  let started: StartedCommand;
  try {
    const start = BARE.test(command) ? startBare : startGuestLike;
    started = start(command.replace(BARE, "").replaceAll("{address}", socket));
  } catch (error) {
    removeFolder();
    throw error;
  }
  const { child } = started;
  const text = collect(child);
  const forget = onProcessEnd(started.kill);
  const end = async () => {
    await started.end();
    removeFolder();
    forget();
  };
  try {
    await answering(`unix://${socket}`, child, text, limitMs);
    const pid = started.pid();
    const by = restartBy(restart === undefined ? {} : { command: restart }, () => pid);
    return {
      address: `unix://${socket}`,
      isOwn: true,
      restart: by,
      spareInterface: () => addInterface(pid),
      output: text,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Keeps the last output. */
function collect(child: ChildProcess): () => string {
  let text = "";
  const keep = (data: Buffer) => {
    text = `${text}${data.toString()}`.slice(-MAX_OUTPUT);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => text;
}

/** Waits until the agent answers a health check. */
async function answering(address: string, child: ChildProcess, text: () => string, limitMs: number): Promise<void> {
  for (const end = performance.now() + limitMs; ; await sleep(20)) {
    try {
      await using client = await connect(address);
      await client.health.check({}, { timeoutMs: limitMs });
      return;
    } catch (error) {
      const last = text().trimEnd().split("\n").at(-1) ?? "";
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`start the agent: its command ended with ${child.exitCode ?? child.signalCode}: ${last}`);
      }
      if (performance.now() > end) {
        const why = (error as Error).message;
        throw new Error(`start the agent: no answer within ${limitMs / 1000} s: ${why}; its last line: ${last}`);
      }
    }
  }
}
