import type { CallLimits } from "../call/limits.ts";
import type { FileData } from "../files/files.ts";
import type { ImageChoice } from "../image/image-choice.ts";

/** A host folder or a named volume that the container sees. */
export type VolumeOption = {
  /** Absolute path in the container. */
  readonly guest: string;
  readonly readOnly?: boolean;
} & (
  | {
      /** Absolute path on this machine, of a folder that `guestctl run -v` would share too: not through a link. */
      readonly host: string;
    }
  | {
      /** Name of a volume, which is created unless it exists, and kept. `guestctl volume` lists and removes volumes. */
      readonly volume: string;
    }
);

/** Networks that a guest can have. */
export const NETWORK_KINDS = ["none", "user", "tap"] as const;

/** Network of a guest, with ports that are open from its start. */
export interface NetworkOption {
  /** Default: user. */
  readonly kind?: "user" | "tap";
  /** Ports of this machine that lead into the sandbox from its start: host port and guest port. */
  readonly publish?: readonly {
    readonly host: number;
    readonly guest: number;
    readonly address?: string;
    readonly udp?: boolean;
  }[];
}

/** Options of `Sandbox.create`; its limits are for the creation. */
export interface CreateOptions extends CallLimits {
  /**
   * Root file system: a path, the name of an image in a registry, or a choice of either. Required, except with a template
   * that has a container.
   */
  readonly image?: ImageChoice;
  /** Name of a template to start the guest from, as `guestctl template create` and `snapshot` make them. */
  readonly template?: string;
  /** Id of the container, and name of its guest. Default: a random one. */
  readonly name?: string | undefined;
  /** The container's first process. Default: one that only waits. */
  readonly command?: readonly string[] | undefined;
  /** Runs the command below an init: PID 1, which passes signals on and reaps orphans. The default command reaps without. */
  readonly init?: boolean;
  /** Memory of the guest. Default: 512. */
  readonly memoryMib?: number;
  /** Processors of the guest. Default: 1. */
  readonly cpus?: number;
  /**
   * Network of the guest: none, which is the default; QEMU's user network, which reaches what this user reaches; or tap, a link
   * to this machine, which requires CAP_NET_ADMIN.
   */
  readonly network?: (typeof NETWORK_KINDS)[number] | NetworkOption;
  /** Milliseconds after which the guest is powered off, whoever uses it. Default: never. `Sandbox.setTimeout` changes it. */
  readonly lifetimeMs?: number;
  /** Limits of the container within its guest: bytes of memory, processors, processes and threads. */
  readonly limits?: { readonly memory?: number; readonly cpus?: number; readonly pids?: number };
  /** Variables of all its processes, added to the image's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Directory of its processes. Default: the image's. */
  readonly cwd?: string;
  /** "user", "uid" or "user:group". Default: the image's. */
  readonly user?: string | undefined;
  /** Files to write before this resolves, by path; directories above them are created. */
  readonly files?: Readonly<Record<string, FileData>>;
  readonly volumes?: readonly VolumeOption[];
  /**
   * How the guest gets the image's files: as a read-only disk, made once for each image, with a disk of at most 10 GiB that
   * it writes, which is the default; or as a folder of this machine that it shares.
   */
  readonly rootfs?: "share" | "block" | undefined;
  /** Makes the root file system read-only. */
  readonly readOnlyRoot?: boolean;
  /**
   * Address of an agent that runs on this machine, as a service: the container is created there, without a guest of its
   * own. Not with memoryMib, cpus, network, volumes, rootfs and vm.
   */
  readonly address?: string | undefined;
  /** Kernel, initrd and image of the guest, words for its kernel, and lines of its console. */
  readonly vm?: {
    readonly kernel?: string;
    readonly initrd?: string;
    readonly image?: string;
    readonly kernelArgs?: readonly string[];
    /** Called with every line of the console. */
    onConsole?(line: string): void;
  };
}

/** Options of `Sandbox.connect`. */
export interface ConnectOptions extends CallLimits {
  /** Id of the container. Default: the one of the sandbox's name; required for an address. */
  readonly container?: string;
}

/** A sandbox of this user on this machine. */
export interface SandboxInfo {
  /** For `Sandbox.connect`. */
  readonly name: string;
  /** Name of the guest that it runs in. */
  readonly guest: string;
  /** Address of the agent. */
  readonly address: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly memoryMib: number;
  readonly cpus: number;
  /** IPv4 address of a guest with the network tap, to which this machine can connect. */
  readonly networkAddress?: string;
  readonly startedAt: Date;
  /** When its guest is powered off (`Sandbox.setTimeout`). */
  readonly endsAt?: Date;
}
