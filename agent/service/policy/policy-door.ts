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

/** Checks every call but those of health before it does anything. Without a policy and lists it allows all. */
export class PolicyDoor {
  readonly #options: PolicyOptions;
  #engine: PolicyEngine | undefined;

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

  /** Replaces the policy. Throws for an unreadable one, which leaves the old policy in force. */
  set(text: string): void {
    const engine = this.#read(text, undefined);
    this.#options.store.writeText(text);
    this.#engine = engine;
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

const ALLOWED: Verdict = { allowed: true, reason: "" };
