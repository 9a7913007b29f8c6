import type { CallLimits } from "../../sdk/call/limits.ts";
import { SandboxError } from "../../sdk/error/sandbox-error.ts";
import { sandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { CreateOptions } from "../../sdk/sandbox/options.ts";
import { Sandbox } from "../../sdk/sandbox/sandbox.ts";
import type { McpOptions } from "../mcp-options.ts";
import { SessionSandbox } from "./session-sandbox.ts";

/** Milliseconds for the sandboxes to stop at the end of the session. */
const STOP_MS = 30_000;

/** The sandboxes of one client. They end with the session; no other sandbox of the user is in it. */
export class Session implements AsyncDisposable {
  readonly options: McpOptions;
  readonly #sandboxes = new Map<string, SessionSandbox>();
  readonly #creating = new Set<Promise<SessionSandbox>>();
  readonly #end = new AbortController();
  #copying: Promise<unknown> = Promise.resolve();

  constructor(options: McpOptions) {
    this.options = options;
  }

  get sandboxes(): readonly SessionSandbox[] {
    return [...this.#sandboxes.values()];
  }

  /** Creates a sandbox. Rejects with SandboxError; then nothing is left. */
  async create(image: string, options: CreateOptions): Promise<SessionSandbox> {
    const { maxSandboxes } = this.options;
    if (this.#sandboxes.size + this.#creating.size >= maxSandboxes) {
      const remedy = "stop one that is no longer needed, or ask the user to start guestctl mcp with --max-sandboxes";
      throw new SandboxError("limit", `create sandbox: the session has ${maxSandboxes} already`, { remedy });
    }
    const creating = this.#create(image, options);
    this.#creating.add(creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(creating);
    }
  }

  /** Returns a sandbox of this session. Throws SandboxError. */
  get(name: string): SessionSandbox {
    const found = this.#sandboxes.get(name);
    if (found !== undefined) return found;
    const names = [...this.#sandboxes.keys()].join(", ");
    const there = names === "" ? "it has none" : `it has ${names}`;
    const remedy = "call sandbox_create first";
    throw new SandboxError("not-found", `sandbox ${JSON.stringify(name)}: not of this session, ${there}`, { remedy });
  }

  /** Stops a sandbox. Rejects with SandboxError. */
  async stop(name: string, limits: CallLimits): Promise<void> {
    const sandbox = this.get(name);
    try {
      await sandbox.stop(limits);
    } finally {
      this.#sandboxes.delete(name);
    }
  }

  /**
   * Runs copies between host and sandboxes one after the other: a path of the host that was checked for one of them can't
   * be changed by another.
   */
  async copy<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#copying;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#copying = promise;
    try {
      await before;
      if (signal.aborted) throw sandboxError("aborted", "copy: its call was cancelled");
      return await work();
    } finally {
      resolve();
    }
  }

  /** Stops all sandboxes, also those that are being created. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.allSettled(this.#creating);
    await Promise.allSettled(this.sandboxes.map((each) => each.stop({ timeoutMs: STOP_MS })));
    this.#sandboxes.clear();
  }

  async #create(image: string, options: CreateOptions): Promise<SessionSandbox> {
    const { signal = this.#end.signal } = options;
    const sandbox = await Sandbox.create({ ...options, signal: AbortSignal.any([this.#end.signal, signal]) });
    const created = new SessionSandbox(sandbox, image);
    this.#sandboxes.set(sandbox.name, created);
    return created;
  }
}
