import type { AgentClient, ConnectOptions } from "../../host/client/agent-client.ts";

/** Machine on which scenarios run: a guest in QEMU, or init in namespaces of this machine. */
export interface Machine extends AsyncDisposable {
  /** True for a guest, where cgroup limits work and virtio-fs is available. */
  readonly real: boolean;
  readonly address: string;
  connect(options?: ConnectOptions): Promise<AgentClient>;
  /** Creates a busybox root file system. Returns its path as the agent sees it. */
  rootfs(name: string): string;
  /**
   * Returns a new directory below the share, for a volume to which the guest may write. If hosts share nothing,
   * CopyFile creates it.
   */
  volume(name: string): string;
  /** Returns the path of the same directory in this process. */
  hostPath(guestPath: string): string;
  /** Storages that CreateSandbox must mount for `rootfs` to exist. */
  readonly storages: readonly {
    driver: string;
    source: string;
    fstype: string;
    options: string[];
    mount_point: string;
  }[];
  /** Runs a shell command outside every container, as root. Resolves to its output. */
  shell(command: string): Promise<string>;
  /** Sends SIGKILL to the agent; resolves when the next one listens. */
  killAgent(): Promise<void>;
  console(): string;
}
