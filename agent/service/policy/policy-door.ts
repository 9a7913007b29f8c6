import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import { AgentError } from "../../kernel/error.ts";
import type { PolicyEngine, PolicyReader, Verdict } from "./policy-engine.ts";
import { policyInput } from "./policy-input.ts";

/** Storage in which a policy outlives the agent. */
export interface PolicyStore {
  /** Returns the text of the policy; undefined if none was set. */
  readText(): string | undefined;
  readData(): string | undefined;
  /** Stores a new policy and removes the data of the old one. */
  writeText(text: string): void;
  writeData(data: string): void;
}

export interface PolicyOptions {
  /** The only calls allowed, by the name of the call or of its request; undefined: all. */
  readonly allowedCalls?: readonly string[] | undefined;
  readonly deniedCalls?: readonly string[];
  readonly read: PolicyReader;
  readonly store: PolicyStore;
  /** Policy that applies until SetPolicy; undefined: none. */
  readonly first: string | undefined;
}

/** Something that continues after its check: a connection, or a forwarded one. */
export interface Standing {
  /** Asks the policy again. Throws what it did at first if it denies now. */
  checkAgain(): void;
  /** Ends with the reason. */
  onError(error: unknown): void;
}

/** Checks every call but those of health before it does anything. Without a policy and lists it allows all. */
export class PolicyDoor {
  readonly #options: PolicyOptions;
  readonly #standing = new Set<Standing>();
  #engine: PolicyEngine | undefined;
  /** Number of policies that were set: what was checked under an earlier one is checked again. */
  version = 0;

  /** Restores the policy of the last agent. Throws for an unreadable one. */
  constructor(options: PolicyOptions) {
    this.#options = options;
    const { store, first } = options;
    const text = store.readText() ?? first;
    if (text !== undefined) this.#engine = this.#read(text, store.readData());
  }

  /** Throws permission-denied with the contract's text, or internal if the policy yields no verdict. */
  check(call: string, requestName: string, request: unknown): void {
    const { allowed, reason } = this.#ask(call, requestName, request);
    if (!allowed) throw new AgentError("permission-denied", `${requestName} is blocked by policy: ${reason}`);
  }

  /**
   * Replaces the policy. Resolves once what it denies has ended. Rejects for an unreadable one, which leaves the old policy in
   * force.
   */
  async set(text: string): Promise<void> {
    const engine = this.#read(text, undefined);
    this.#options.store.writeText(text);
    this.#engine = engine;
    this.version++;
    const pause = yieldToEventLoop();
    for (const each of [...this.#standing]) {
      if (this.#standing.has(each)) askAgain(each);
      await pause();
    }
  }

  /** Asks again whenever the policy changes, until the returned function is called; at once if it has changed since `version`. */
  follow(standing: Standing, version: number): () => void {
    this.#standing.add(standing);
    if (version !== this.version) askAgain(standing);
    return () => void this.#standing.delete(standing);
  }

  #read(text: string, kept: string | undefined): PolicyEngine {
    return this.#options.read(text, { kept, keep: (data) => this.#options.store.writeData(data) });
  }

  #ask(call: string, requestName: string, request: unknown): Verdict {
    const { allowedCalls, deniedCalls = [] } = this.#options;
    const isListed = (list: readonly string[]) => list.includes(call) || list.includes(requestName);
    if (isListed(deniedCalls)) return { allowed: false, reason: "agent.deny_calls names it" };
    if (allowedCalls !== undefined && !isListed(allowedCalls)) {
      return { allowed: false, reason: "agent.allow_calls does not name it" };
    }
    return this.#engine?.ask(requestName, () => policyInput(requestName, request)) ?? ALLOWED;
  }
}

function askAgain(standing: Standing): void {
  try {
    standing.checkAgain();
  } catch (error) {
    standing.onError(error);
  }
}

const ALLOWED: Verdict = { allowed: true, reason: "" };
