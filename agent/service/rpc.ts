import type { Init } from "../../proto/codec.ts";
import type { agentService, guest, health } from "../../proto/gen/services.js";
import type { RequestOf, ResponseOf } from "../../proto/method.ts";
import type { Container } from "../container/container.ts";
import type { PassedStreams } from "../container/passfd/passed-streams.ts";
import type { MemAgent } from "../guest/mem-agent/mem-agent.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Network } from "../network/network.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { CopiedFile } from "../storage/copy-file.ts";
import type { Call } from "./dispatch.ts";
import type { PolicyDoor } from "./policy/policy-door.ts";
import type { Cores } from "./streams/cores.ts";
import type { WarmStart } from "./warm-start/warm-start.ts";

export interface RunningAgent {
  /** SHA-256 of its bundle; empty for the image's own. */
  readonly bundle: string;
  /** 1 for the first agent since boot. */
  readonly generation: number;
  /** The chosen bundle that failed to start. */
  readonly left?: { readonly bundle: string; readonly reason: string } | undefined;
  /** Path at which CopyFile takes the next bundle. */
  readonly upload: string;
}

/** Everything the calls work on. */
export interface Agent {
  readonly sandbox: Sandbox;
  readonly kernel: Pick<Kernel, "sys" | "files" | "contained">;
  /** The directory of what outlives the agent. */
  readonly stateDirectory: string;
  readonly network: Network;
  readonly policy: PolicyDoor;
  readonly warmStart: Pick<WarmStart, "gate" | "quiesce" | "resume" | "unreported" | "reported">;
  readonly memAgent: Pick<MemAgent, "setMemcg" | "setCompact">;
  /** guestd's version. */
  readonly version: string;
  /** The agent's init is PID 1 of the guest. */
  readonly initDaemon: boolean;
  /** Gives the default seccomp filter to containers without one. */
  readonly defaultSeccomp: boolean;
  /** Streams that the host passes for stdio; undefined if it can't pass any. */
  readonly streams: PassedStreams | undefined;
  /** Loads the part that has the core dumps. */
  cores(): Promise<Cores>;
  /** Keeps a log of a container's output, if the options say so. Throws if it can't. */
  beginLog(container: Container): void;
  readText(path: string): string;
  exists(path: string): boolean;
  list(path: string): string[];
  /** Writes below the directory shared with the host, or a bundle to `running().upload`; nowhere else. */
  copyFile(file: CopiedFile): Promise<void>;
  /** Logs a problem that fails no call but that operators may want to know. */
  warn(line: string): void;
  /** Returns the metrics as Prometheus text. */
  scrape(): Promise<string>;
  /** Chooses the bundle that runs from the next start on; resolves when a restart would cut off no call, or after a few seconds. */
  prepareUpgrade(upgrade: { readonly path: string; readonly sha256: string }): Promise<void>;
  /** Ends this agent as if it were killed; the next one continues. */
  restart(): void;
  running(): RunningAgent;
  /** Ends the agent after its sandbox: answers open calls, then powers off. */
  stop(): void;
}

type Methods = typeof agentService & typeof health & typeof guest;
export type MethodName = keyof Methods;

/** One call of the contract, in a file of its own that build.ts finds by its name. */
export interface Rpc<Name extends MethodName> {
  /**
   * How the next agent treats a call that its agent died in: `repeat` for a call that changes nothing, or nothing more the second time;
   * `continue` for a call that can proceed from the progress its handler noted; otherwise `fail`.
   */
  readonly afterDeath: "repeat" | "continue" | "fail";
  /** If the policy denies the call, the answer is an empty message instead of an error. */
  readonly emptyIfDenied?: boolean;
  /** Checks the request, calls the sandbox and returns the response. */
  handle(agent: Agent, request: RequestOf<Methods[Name]>, call: Call): Promise<Init<ResponseOf<Methods[Name]>>>;
}
