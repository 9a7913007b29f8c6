import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { ROOTFS_KINDS, type RootfsKind } from "../../engine/container/rootfs-kind.ts";
import type { Volume } from "../../engine/guest/shared-folder.ts";
import type { Rlimit, RunOptions } from "../../engine/image/image-config.ts";
import type { PullPolicy } from "../../engine/image/store/choose-image.ts";
import type { RestartPolicy } from "../../engine/supervisor/restarts.ts";
import type { NamedVolume } from "../../engine/volume/use-volumes.ts";
import type { TargetFlags } from "../guest/target.ts";
import { type ContainerFlags, containerOptions, shmMount } from "./container-flags.ts";
import type { GuestFlags } from "./guest-flags.ts";
import type { MountFlag, Tmpfs } from "./mount-flag.ts";
import { type NameFlags, nameOptions } from "./name-flags.ts";
import { type ProcessFlags, processOptions } from "./process-flags.ts";

/** Flags of `guestctl run`. */
export interface RunFlags extends ProcessFlags, ContainerFlags, NameFlags, GuestFlags, TargetFlags {
  readonly detach?: true;
  readonly name?: string;
  readonly imageName?: string;
  /** A kind of root file system; with --address the path of one in the guest. */
  readonly rootfs?: string;
  readonly guestRoot?: true;
  readonly entrypoint?: string;
  readonly memory?: number;
  /** Bytes that it can write to its root on a disk. */
  readonly storageOpt?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly pidsLimit?: number;
  readonly ulimit?: readonly Rlimit[];
  readonly rm?: true;
  readonly restart?: RestartPolicy;
  readonly volume?: readonly (Volume | NamedVolume)[];
  readonly mount?: readonly MountFlag[];
  readonly pull?: PullPolicy;
  readonly plainHttp?: true;
  readonly verbose?: true;
  readonly detachKeys?: Uint8Array;
}

/** Maps flags and words to options of the container. */
export function runOptions(args: readonly string[], flags: RunFlags): RunOptions {
  const { memory, cpus, pids = flags.pidsLimit, entrypoint, mount = [], tmpfs = [] } = flags;
  const mounts = [
    ...shmMount(flags),
    ...mount.flatMap((each) => ("tmpfs" in each ? tmpfsMount(each.tmpfs) : [])),
    ...tmpfs,
  ];
  return {
    ...processOptions(flags),
    ...containerOptions(flags),
    ...nameOptions(flags),
    ...(args.length === 0 ? {} : { args }),
    ...(entrypoint === undefined ? {} : { entrypoint: entrypoint === "" ? [] : [entrypoint] }),
    rlimits: flags.ulimit,
    ...(mounts.length === 0 ? {} : { mounts }),
    limits: { memory, cpus, pids },
  };
}

function tmpfsMount({ guest, size }: Tmpfs): Init<grpc.Mount> {
  const options = ["nosuid", "nodev", "noexec", ...(size === undefined ? [] : [`size=${size}`])];
  return { destination: guest, source: "tmpfs", type: "tmpfs", options };
}

/** Returns the folders of the host and the named volumes that the container gets. */
export function volumesOf({ volume = [], mount = [] }: RunFlags): readonly (Volume | NamedVolume)[] {
  return [...volume, ...mount.flatMap((each) => ("volume" in each ? [each.volume] : []))];
}

/** True if the first word names an image. */
export function hasImage({ address, rootfs, guestRoot }: RunFlags): boolean {
  return (address === undefined || rootfs === undefined) && guestRoot === undefined;
}

/** Returns the kind of root file system that --rootfs means; with --address it is a path in the guest. */
export function rootfsKind({ address, rootfs }: Pick<RunFlags, "address" | "rootfs">): RootfsKind | undefined {
  return address === undefined ? ROOTFS_KINDS.find((kind) => kind === rootfs) : undefined;
}
