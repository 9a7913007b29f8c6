import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { Output } from "../scenarios/pod.ts";
import type { HostCalls } from "./host-calls.ts";

/** What a shim is told by containerd of a container. */
export interface HostContainer {
  readonly id: string;
  readonly spec: Init<grpc.Spec>;
  /** Its pid namespace is that of the pause container. */
  readonly sharePid?: boolean;
  /** The machine has got this with it, as hosts without static sizing give it. */
  readonly grown?: GrownMachine;
  /** The host has no shared file system: it asks for the last message of the container. */
  readonly lastMessage?: boolean;
}

export interface GrownMachine {
  /** More than there were. */
  readonly processors: number;
  /** Processors that there are now. */
  readonly total: number;
  /** More memory. */
  readonly mib: number;
}

export interface HostExec {
  readonly args: readonly string[];
  /** Rows and columns of the terminal; no terminal without. */
  readonly terminal?: readonly [rows: number, columns: number];
}

/** A running process as its shim follows it: reads, and WaitProcess once these have ended. */
export interface HostProcess {
  readonly ended: Promise<Output>;
  write(text: string): Promise<void>;
  closeInput(): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
  kill(signal: number): Promise<void>;
}

export interface SandboxRequest {
  readonly id: string;
  readonly hostname: string;
  /** What stands for the virtio-fs share of the real host. */
  readonly storages: readonly Init<grpc.Storage>[];
  /** Lines of resolv.conf. */
  readonly dns?: readonly string[];
  readonly network?: {
    readonly interface: Init<grpc.UpdateInterfaceRequest>;
    readonly routes: Init<grpc.UpdateRoutesRequest>;
    readonly neighbors: Init<grpc.AddARPNeighborsRequest>;
  };
}

/** One shim and its sandbox. The calls, their order and their fields are those of behaviour.md, section 4. */
export interface KataHost {
  readonly calls: HostCalls;
  /** Containers that GetOOMEvent told of. */
  readonly oomEvents: readonly string[];
  /** What containers left as their last message. */
  readonly lastMessages: ReadonlyMap<string, string>;
  openSandbox(request: SandboxRequest): Promise<void>;
  create(container: HostContainer): Promise<void>;
  start(id: string): Promise<HostProcess>;
  exec(id: string, exec: HostExec): Promise<HostProcess>;
  kill(id: string, signal: number): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  update(id: string, resources: Init<grpc.LinuxResources>): Promise<void>;
  stats(id: string): Promise<grpc.StatsContainerResponse>;
  /** containerd's Delete. */
  stop(id: string): Promise<void>;
  /** The end of the sandbox, and of the connection. */
  end(): Promise<void>;
}

export interface HostOptions {
  /** Between health checks; the shim's own when left out. */
  readonly checkEveryMs?: number;
  /** Who takes the output is slow at times, so that runtime-rs asks for less than its buffer holds. */
  readonly slowReader?: boolean;
  /** Its time limits are so many times those of the shim: for a guest without KVM that is killed under load. */
  readonly patience?: number;
}

export type MakeHost = (client: AgentClient, options?: HostOptions) => KataHost;

/** Storage that both shims ask for in CreateSandbox. */
export const SHM: Init<grpc.Storage> = {
  driver: "ephemeral",
  source: "shm",
  fstype: "tmpfs",
  options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
  mount_point: "/run/kata-containers/sandbox/shm",
};
