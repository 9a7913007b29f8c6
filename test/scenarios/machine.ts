import type { AgentClient, ConnectOptions } from "../../host/client/agent-client.ts";

/** Where scenarios run: a guest in QEMU, or init in namespaces of this machine. */
export interface Machine extends AsyncDisposable {
  /** A real guest: limits of cgroups work, virtio-fs is there. */
  readonly real: boolean;
  readonly address: string;
  connect(options?: ConnectOptions): Promise<AgentClient>;
  /** A new root file system of busybox; its path as the agent sees it. */
  rootfs(name: string): string;
  /** A new directory below the share, for a volume that the guest may write to. CopyFile makes it where hosts share nothing. */
  volume(name: string): string;
  /** The same directory as this process sees it. */
  hostPath(guestPath: string): string;
  /** What CreateSandbox has to mount so that `rootfs` is there. */
  readonly storages: readonly {
    driver: string;
    source: string;
    fstype: string;
    options: string[];
    mount_point: string;
  }[];
  /** Runs a shell command outside of every container, as root, and gives its output. */
  shell(command: string): Promise<string>;
  /** SIGKILL to the agent; resolves when the next one listens. */
  killAgent(): Promise<void>;
  console(): string;
}
