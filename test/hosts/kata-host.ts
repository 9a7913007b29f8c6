import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { Output } from "../scenarios/pod.ts";
import type { HostCalls } from "./host-calls.ts";

/** containerd's description of a container, as passed to a shim. */
export interface HostContainer {
  readonly id: string;
  readonly spec: Init<grpc.Spec>;
  /** True to use the pause container's pid namespace. */
  readonly sharePid?: boolean;
  /** Resources plugged into the machine for it, as by hosts without static sizing. */
  readonly grown?: GrownMachine;
  /** True for a host without a shared file system, which requests the container's last message. */
  readonly lastMessage?: boolean;
}

export interface GrownMachine {
  /** Number of added processors. */
  readonly processors: number;
  /** Number of processors after adding. */
  readonly total: number;
  /** Added memory. */
  readonly mib: number;
}

export interface HostExec {
  readonly args: readonly string[];
  /** Rows and columns of the terminal, if it has one. */
  readonly terminal?: readonly [rows: number, columns: number];
}

/** A running process as its shim follows it: reads, then WaitProcess once they end. */
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
  /** Replaces the virtio-fs share of the real host. */
  readonly storages: readonly Init<grpc.Storage>[];
  /** Lines of resolv.conf. */
  readonly dns?: readonly string[];
  readonly network?: {
    readonly interface: Init<grpc.UpdateInterfaceRequest>;
    readonly routes: Init<grpc.UpdateRoutesRequest>;
    readonly neighbors: Init<grpc.AddARPNeighborsRequest>;
  };
}

/** A shim and its sandbox. The calls, their order and their fields are those of behaviour.md, section 4. */
export interface KataHost {
  readonly calls: HostCalls;
  /** Containers reported by GetOOMEvent. */
  readonly oomEvents: readonly string[];
  /** Last messages of containers. */
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
  /** Ends the sandbox and the connection. */
  end(): Promise<void>;
}

export interface HostOptions {
  /** Interval between health checks; default: the shim's own. */
  readonly checkEveryMs?: number;
  /** True if the output's consumer is sometimes slow, so that runtime-rs requests less than its buffer's size. */
  readonly slowReader?: boolean;
  /** Factor for the shim's time limits, for guests without KVM whose agents are killed under load. */
  readonly patience?: number;
}

export type MakeHost = (client: AgentClient, options?: HostOptions) => KataHost;

/** Storage that both shims request in CreateSandbox. */
export const SHM: Init<grpc.Storage> = {
  driver: "ephemeral",
  source: "shm",
  fstype: "tmpfs",
  options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
  mount_point: "/run/kata-containers/sandbox/shm",
};
