import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { removeTree } from "../../lib/remove-tree.ts";
import { removeFromAgent } from "../client/remove-container.ts";
import type { SandboxGuest } from "../engine/guest/sandbox-guest.ts";
import {
  moveIn,
  newDirectory,
  removeContainer,
  rootfsPlace,
  SHARED_IN_GUEST,
  type SharedFolder,
} from "../engine/guest/shared-folder.ts";
import { parseExactJson } from "../oci/exact-json.ts";
import { OperationError } from "../operation-error.ts";
import { type MountRequest, mountInShare } from "../vm/guard-share.ts";
import { type GuestSpec, guestSpec, type HostBind } from "./guest-spec.ts";
import type { PodGuest } from "./pod-guest.ts";

export interface NewPodContainer {
  readonly id: string;
  /** Folder with config.json. */
  readonly bundle: string;
  /** Mounts that make its root; none for the folder that config.json names. */
  readonly rootfs: readonly MountRequest[];
}

/** Time limit of calls to the agent, which a container may hold up. */
const LIMIT = { timeoutMs: 120_000 };

/** A container in a pod's guest. */
export class PodContainer {
  readonly id: string;
  readonly guest: SandboxGuest;
  /** Name of its folder in the share. */
  readonly #directory: string;

  private constructor(id: string, guest: SandboxGuest, directory: string) {
    this.id = id;
    this.guest = guest;
    this.#directory = directory;
  }

  /** Mounts its files in the share, which no one sees but the guest, and creates it. If this fails, nothing is left of it. */
  static async create(pod: PodGuest, { id, bundle, rootfs }: NewPodContainer): Promise<PodContainer> {
    const directory = newDirectory(id);
    const places = {
      root: `${SHARED_IN_GUEST}/${directory}/rootfs`,
      bind: (index: number) => `${SHARED_IN_GUEST}/${directory}/${bindPlace(index)}`,
    };
    const { spec, binds, ownRoot } = readSpec(id, bundle, places);
    const guest = await pod.start(spec);
    const folder = folderOf(guest);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => removeContainer(folder.directory, directory));
    await makePlaces(folder, directory, binds);
    const { host: root } = rootfsPlace(folder.directory, directory);
    const own = { type: "bind", source: ownRoot, options: ["rbind"] };
    for (const mount of rootfs.length === 0 ? [own] : rootfs) mountInShare(folder.share, mount, root);
    for (const [index, { source, options }] of binds.entries()) {
      mountInShare(folder.share, { type: "bind", source, options }, join(root, "..", bindPlace(index)));
    }
    await guest.client.agent.createContainer({ container_id: id, exec_id: id, OCI: spec }, LIMIT);
    undo.move();
    return new PodContainer(id, guest, directory);
  }

  /** Removes it with its files in the share. The engine's own stay. */
  async remove(): Promise<void> {
    if (!this.guest.gone.aborted) await removeFromAgent(this.guest.client, this.id, LIMIT);
    await removeContainer(folderOf(this.guest).directory, this.#directory);
  }
}

const bindPlace = (index: number) => `volumes/${index}`;

function readSpec(
  id: string,
  bundle: string,
  places: Parameters<typeof guestSpec>[1],
): GuestSpec & { readonly ownRoot: string } {
  const config = join(bundle, "config.json");
  const json = parseExactJson(readFileSync(config, "utf8"), config) as { root?: { path?: unknown } } | null;
  const ownRoot = resolve(bundle, String(json?.root?.path ?? "rootfs"));
  return { ...guestSpec(json, places, `container ${id}`), ownRoot };
}

/** Makes the places of its root and its binds, and moves them into the share when they are complete. */
async function makePlaces({ directory }: SharedFolder, name: string, binds: readonly HostBind[]): Promise<void> {
  const made = await mkdtemp(join(directory, "new-"));
  try {
    await mkdir(join(made, "rootfs"));
    await mkdir(join(made, "volumes"));
    for (const [index, { isFile }] of binds.entries()) {
      const place = join(made, bindPlace(index));
      await (isFile ? writeFile(place, "") : mkdir(place));
    }
    await moveIn(directory, name, made);
  } catch (error) {
    await removeTree(made);
    throw error;
  }
}

function folderOf({ folder }: SandboxGuest): SharedFolder {
  if (folder === undefined) throw new OperationError("the guest has no shared folder");
  return folder;
}
