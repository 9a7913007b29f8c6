import type { Init } from "../../proto/codec.ts";
import type { agentService, guest, health } from "../../proto/gen/services.js";
import type { RequestOf, ResponseOf } from "../../proto/method.ts";
import type { PassedStreams } from "../container/passfd/passed-streams.ts";
import type { MemAgent } from "../guest/mem-agent/mem-agent.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Network } from "../network/network.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { CopiedFile } from "../storage/copy-file.ts";
import type { Call } from "./dispatch.ts";
import type { PolicyDoor } from "./policy/policy-door.ts";

export interface RunningAgent {
  /** SHA-256 of its bundle; empty for the image's own. */
  readonly bundle: string;
  /** 1 for the first agent since boot. */
  readonly generation: number;
  /** The bundle that was chosen and came to nothing. */
  readonly left?: { readonly bundle: string; readonly reason: string } | undefined;
  /** Where CopyFile takes the next bundle. */
  readonly upload: string;
}

/** What the calls work on. */
export interface Agent {
  readonly sandbox: Sandbox;
  readonly kernel: Pick<Kernel, "sys" | "files">;
  readonly network: Network;
  readonly policy: PolicyDoor;
  readonly memAgent: Pick<MemAgent, "setMemcg" | "setCompact">;
  /** Of guestd itself. */
  readonly version: string;
  /** The agent's init is PID 1 of the guest. */
  readonly initDaemon: boolean;
  /** A container that asks for no seccomp filter gets the default one. */
  readonly defaultSeccomp: boolean;
  /** Streams that hosts pass for stdio; undefined: none can be. */
  readonly streams: PassedStreams | undefined;
  readText(path: string): string;
  exists(path: string): boolean;
  list(path: string): string[];
  /** Below the place that is shared with the host, or a bundle to `running().upload`; nowhere else. */
  copyFile(file: CopiedFile): void;
  /** To the agent's log: what a host may want to know, and nobody refuses. */
  warn(line: string): void;
  /** Prometheus text. */
  scrape(): Promise<string>;
  /** Has another bundle of the agent run from the next start on; resolves when a start would cut off no call, or soon after. */
  prepareUpgrade(upgrade: { readonly path: string; readonly sha256: string }): Promise<void>;
  /** Ends this agent as if it were killed; the next one goes on. */
  restart(): void;
  running(): RunningAgent;
  /** The sandbox has ended: answer what is under way, then power off. */
  stop(): void;
}

type Methods = typeof agentService & typeof health & typeof guest;
export type MethodName = keyof Methods;

/** One call of the contract: a file of its own, found by its name (build.ts). */
export interface Rpc<Name extends MethodName> {
  /**
   * What becomes of a call that its agent died in. The next agent can `repeat` a call that changes nothing, or nothing
   * more when made twice; it can `continue` one from what its handler noted; any other call fails.
   */
  readonly afterDeath: "repeat" | "continue" | "fail";
  /** If the policy denies the call, the answer is an empty message instead of an error. */
  readonly emptyIfDenied?: boolean;
  /** Checks the request, calls the sandbox and returns the response. */
  handle(agent: Agent, request: RequestOf<Methods[Name]>, call: Call): Promise<Init<ResponseOf<Methods[Name]>>>;
}
