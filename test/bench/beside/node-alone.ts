import { startInit } from "../../init/testing/harness.ts";
import { Samples } from "../samples.ts";
import { BASH, EXECUTED, START } from "./running-agent.ts";

const PROGRAM = 'console.log("alive at", performance.timeOrigin + performance.now()); setInterval(() => {}, 1e9)';

/** Milliseconds from Node's exec to the first statement of an empty program: no agent in Node starts sooner. */
export class NodeAlone {
  readonly started = new Samples();

  /** `command` is that of an agent: Node, its options and a program, which is left out. */
  async round(command: readonly string[]): Promise<void> {
    const node = command.slice(0, -1);
    await using init = startInit({ agentCommand: [BASH, "-c", START, BASH, ...node, "-e", PROGRAM] });
    const [, alive] = await init.waitForConsole(/alive at (\d+\.\d+)/);
    const [, executed] = await init.waitForConsole(EXECUTED);
    this.started.add(Number(alive) - 1000 * Number(executed));
  }
}
