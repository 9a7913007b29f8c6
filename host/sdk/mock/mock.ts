import type { Duplex } from "node:stream";
import type { PlanStep } from "../../engine/container/plan-step.ts";
import { type CallLimits, limited } from "../call/limits.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import { writeAll } from "../files/write-all.ts";
import { openPool, type PoolOptions, type SandboxPool } from "../pool/open-pool.ts";
import type { ConnectOptions, CreateOptions, SandboxInfo } from "../sandbox/options.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import type { SandboxStats } from "../sandbox/sandbox-stats.ts";
import type { MockAnswer, MockCommand } from "./mock-answer.ts";
import { MockDriver } from "./mock-driver.ts";
import { type MockCall, MockScript } from "./mock-script.ts";

/** Answers of `mock.set` to calls that aren't commands. */
export interface MockState {
  /** Chunks of the container's log. */
  readonly logs?: readonly string[];
  /** Prometheus text. */
  readonly metrics?: string;
  readonly stats?: SandboxStats;
  /** Steps of `explain`. */
  readonly plan?: readonly PlanStep[];
}

/**
 * Sandboxes without guests: the SDK's own class, whose commands are answered by a script. Files are real ones of a
 * temporary directory, and forwards real sockets to scripted servers.
 */
export class Mock {
  /** Takes the place of `Sandbox` of guestd. */
  readonly Sandbox: typeof Sandbox;
  readonly #script = new MockScript();

  /** Each mock has its own sandboxes and script. */
  constructor() {
    const script = this.#script;
    this.Sandbox = class MockSandbox extends Sandbox {
      static override create(options: CreateOptions): Promise<Sandbox> {
        return limited(`create sandbox ${options.name ?? ""}`.trim(), options, (signal) =>
          createMock(script, options, signal),
        );
      }

      static override async connect(nameOrAddress: string, options: ConnectOptions = {}): Promise<Sandbox> {
        const all = [...script.sandboxes.values()];
        const found = all.find((each) => [each.container, each.address].includes(nameOrAddress));
        const isMeant = options.container === undefined || options.container === found?.container;
        if (found !== undefined && isMeant) return new Sandbox(found, { isOwned: false });
        throw sandboxError("not-found", `connect to sandbox ${nameOrAddress}: not found`);
      }

      static override async pool({ size, maxMemoryMib, ...options }: PoolOptions): Promise<SandboxPool> {
        const { template: _template, ...all } = options; // the store has none
        return openPool({ size, maxMemoryMib, options: all, create: (each) => MockSandbox.create(each) });
      }

      static override async list(_limits: CallLimits = {}): Promise<readonly SandboxInfo[]> {
        return [...script.sandboxes.values()].map(infoOf);
      }
    };
  }

  /** Commands that were run, in order. */
  get calls(): readonly MockCall[] {
    return this.#script.calls;
  }

  /** Answers a command from now on; a newer answer wins. A command without an answer rejects. */
  on(command: MockCommand, answer: MockAnswer): this {
    this.#script.add(command, answer, false);
    return this;
  }

  /** Answers a command once. */
  once(command: MockCommand, answer: MockAnswer): this {
    this.#script.add(command, answer, true);
    return this;
  }

  /** Plays a server in all sandboxes: `ports` lists it, and forwards lead to it. */
  listen(port: number, onConnection: (connection: Duplex) => void): this {
    this.#script.servers.set(port, onConnection);
    return this;
  }

  /** Sets logs, metrics, stats and plan. */
  set(state: MockState): this {
    Object.assign(this.#script, state);
    return this;
  }

  /** Ends a sandbox as the death of its guest would: its calls reject with `guest-died`. */
  async kill(name: string, why = "guest: QEMU was killed by SIGKILL"): Promise<void> {
    await this.#script.sandboxes.get(name)?.die(why);
  }
}

async function createMock(script: MockScript, options: CreateOptions, signal: AbortSignal): Promise<Sandbox> {
  const { name, files = {}, lifetimeMs } = options;
  if (name !== undefined && script.sandboxes.has(name)) {
    throw sandboxError("already-exists", `create sandbox ${name}: name already in use`);
  }
  const driver = new MockDriver(script, options);
  script.sandboxes.set(driver.container, driver);
  await writeAll(driver.files, files, signal);
  const sandbox = new Sandbox(driver, { isOwned: true });
  if (lifetimeMs !== undefined) await sandbox.setTimeout(lifetimeMs);
  return sandbox;
}

function infoOf({ container: name, address, options, memoryMib }: MockDriver): SandboxInfo {
  const { image, command = ["pause"], cpus = 1 } = options;
  const text =
    typeof image === "string" ? image : Object.values(image ?? {}).find((value) => typeof value === "string");
  return { name, guest: name, address, image: String(text), command, memoryMib, cpus, startedAt: new Date() };
}
