import type { Duplex } from "node:stream";
import type { PlanStep } from "../../engine/container/plan-step.ts";
import type { ProcessStart } from "../../engine/process.ts";
import type { SandboxStats } from "../sandbox/sandbox-stats.ts";
import { type MockAnswer, type MockCommand, matches } from "./mock-answer.ts";
import type { MockDriver } from "./mock-driver.ts";

/** A command that a mock was asked to run. */
export interface MockCall {
  /** Name of its sandbox. */
  readonly sandbox: string;
  readonly argv: readonly string[];
  /** "NAME=value": those of the sandbox and of the exec. */
  readonly env: readonly string[];
  readonly cwd: string | undefined;
  readonly user: string | undefined;
}

/** Everything that a mock plays, and the calls that it got. */
export class MockScript {
  readonly calls: MockCall[] = [];
  readonly servers = new Map<number, (connection: Duplex) => void>();
  readonly sandboxes = new Map<string, MockDriver>();
  /** Names of the snapshots that were taken. */
  readonly templates = new Set<string>();
  logs: readonly string[] = [];
  metrics = "";
  plan: readonly PlanStep[] = [];
  stats: SandboxStats = {
    memoryBytes: 1 << 20,
    cpuSeconds: 0.01,
    tasks: 1,
    diskReadBytes: 0,
    diskWrittenBytes: 0,
    networks: [],
  };
  #answers: { readonly command: MockCommand; readonly answer: MockAnswer; isOnce: boolean }[] = [];

  add(command: MockCommand, answer: MockAnswer, isOnce: boolean): void {
    this.#answers.unshift({ command, answer, isOnce });
  }

  /** Returns the newest answer for a command. */
  answerTo(sandbox: string, { argv, env, cwd, user }: ProcessStart): MockAnswer | undefined {
    this.calls.push({ sandbox, argv, env, cwd, user });
    const found = this.#answers.find(({ command }) => matches(command, argv));
    if (found?.isOnce) this.#answers = this.#answers.filter((each) => each !== found);
    return found?.answer;
  }
}
