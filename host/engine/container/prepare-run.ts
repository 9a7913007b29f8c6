import type { Image } from "../../../image/read-image.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { guestRootStorage } from "../guest/guest-root.ts";
import type { Target } from "../guest/guest-target.ts";
import { SHARE_STORAGE, type Volume } from "../guest/shared-folder.ts";
import { type Layer, type LayerRequest, LayerStore } from "../image/disk/layer-store.ts";
import { imageSpec, processSpec, type RootfsPlace, type RunOptions } from "../image/image-config.ts";
import type { RootfsSource } from "../image/unpack-rootfs.ts";
import { ownFiles } from "./own-files.ts";
import type { RootfsKind } from "./rootfs-kind.ts";

/** Everything a container needs before it can be created. Disposal releases all of it, after success or failure. */
export interface PreparedRun extends AsyncDisposable {
  readonly client: AgentClient;
  /** Address of the agent. */
  readonly target: Target;
  readonly rootfs: RootfsPlace;
  readonly config: Image["config"];
  /** Mounts that make up the container's root, unless it already exists. */
  readonly storages?: readonly Init<grpc.Storage>[];
  /** Folder of the disk that the container writes, for its record. */
  readonly layer?: string | undefined;
  /** Name of the directory with its files in the shared folder of a running guest. */
  readonly directory?: string;
  /** Mounts for the container's volumes. */
  readonly mounts?: readonly Init<grpc.Mount>[];
  /** True if the guest has a network and the sandbox a resolv.conf. */
  readonly network?: boolean;
  /** Name of the guest, if a guestctl keeps it. */
  readonly guest?: string;
  /** Aborted when the guest dies. */
  readonly died?: AbortSignal;
  /** Returns Suspended once the guest was saved, since when its address is another. */
  findSuspension?(): Error | undefined;
  /** Makes disposal keep the container's files; undefined if disposal ends its guest. */
  leave?(): void;
  /** Leaves the container, and a guest of its own, to another process. */
  handOver(): Promise<void>;
  /** Lets the container's own guest outlive this process; undefined if it doesn't. */
  readonly release?: (() => Promise<void>) | undefined;
  /** Resolves once the container's own guest isn't paused. */
  resumed?(): Promise<void>;
  /** Releases the rest in order, once the container is removed. */
  end(): Promise<void>;
}

/** Stands for the guest's own root instead of an image. */
export const GUEST_ROOT = "the guest's root";

/** Host files that a container gets. */
export interface RunFiles {
  readonly image: RootfsSource | typeof GUEST_ROOT;
  readonly volumes: readonly Volume[];
  /** Default: that of the running guest, otherwise disks. */
  readonly rootfs?: RootfsKind | undefined;
  /** With a root on a disk: the disk that it writes; without one it writes to the guest's memory. */
  readonly layer?: LayerRequest | undefined;
  /** The container's memory limit in bytes, which bounds what it writes to the guest's memory. */
  readonly memory?: number | undefined;
  /** The container's options, which are checked as soon as the image is there: before a guest is booted, or meanwhile. */
  readonly options?: RunOptions | undefined;
}

/** Throws ImageError if the image has no such user, or no command. */
export function checkOptions({ options }: RunFiles, config: Image["config"], users: string): void {
  if (options !== undefined) processSpec(config, users, options);
}

/** Path that doesn't exist on the host; stands for a root file system that guestctl can't see. */
export const NOWHERE = "/nonexistent";

export async function openLayer(request: LayerRequest | undefined): Promise<Layer | undefined> {
  return request && (await new LayerStore().open(request));
}

/** Adds folders of the host to a container whose root isn't in the shared folder. */
export function withVolumes(parts: RunParts, mounts: readonly Init<grpc.Mount>[]): RunParts {
  return mounts.length === 0 ? parts : { ...parts, mounts, storages: [SHARE_STORAGE, ...(parts.storages ?? [])] };
}

/** Where a container's root is. */
export type RunParts = Pick<PreparedRun, "rootfs" | "config" | "storages" | "mounts" | "layer" | "directory">;

export function guestRootPlace(container: string): RootfsPlace {
  return { host: NOWHERE, guest: `/run/kata-containers/${container}/rootfs` };
}

export function guestRootParts(container: string): RunParts {
  const rootfs = guestRootPlace(container);
  return { rootfs, config: {}, storages: [guestRootStorage(rootfs.guest)] };
}

/** Returns what the agent mounts for a container: the share if it has files there, and its root if that is the guest's own. */
export function storagesOf(rootfs: RootfsPlace, { image, volumes }: RunFiles): readonly Init<grpc.Storage>[] {
  if (image !== GUEST_ROOT) return [SHARE_STORAGE];
  return [...(volumes.length > 0 ? [SHARE_STORAGE] : []), guestRootStorage(rootfs.guest)];
}

/**
 * Returns the container's spec and storages. Leaves the rlimits of an agent we didn't boot unchanged, since it may run where
 * ours can't be set.
 */
export function containerRequest(
  container: string,
  prepared: Pick<PreparedRun, "rootfs" | "config" | "storages" | "mounts" | "network" | "guest">,
  options: RunOptions,
): { readonly OCI: Init<grpc.Spec>; readonly storages: readonly Init<grpc.Storage>[] } {
  const own = ownFiles(container, prepared, options);
  const mounts = [...own.mounts, ...(prepared.mounts ?? []), ...(options.mounts ?? [])];
  const storages = [...(prepared.storages ?? []), ...own.storages];
  const spec = imageSpec(prepared, prepared.rootfs, { ...options, mounts });
  if (prepared.guest !== undefined || options.rlimits !== undefined) return { OCI: spec, storages };
  return { OCI: { ...spec, Process: { ...spec.Process, Rlimits: [] } }, storages };
}
