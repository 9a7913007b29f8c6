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
import { type HookPoint, type HookState, runHooks } from "./run-hooks.ts";

export interface NewPodContainer {
  readonly id: string;
  /** Folder with config.json. */
  readonly bundle: string;
  /** Mounts that make its root; none for the folder that config.json names. */
  readonly rootfs: readonly MountRequest[];
}

/** Time limit of calls to the agent, which a container may hold up. */
export const ANSWER = { timeoutMs: 120_000 };

/** A container in a pod's guest. */
export class PodContainer {
  readonly id: string;
  readonly guest: SandboxGuest;
  /** Name of its folder in the share. */
  readonly #directory: string;
  readonly #bundle: string;
  /** The parsed config.json. */
  readonly #config: unknown;

  private constructor({ id, bundle }: NewPodContainer, guest: SandboxGuest, directory: string, config: unknown) {
    this.id = id;
    this.guest = guest;
    this.#bundle = bundle;
    this.#directory = directory;
    this.#config = config;
  }

  /** The pid of its guest on the host, in the pod's network namespace: a guest's own pids mean nothing there. */
  get pid(): number {
    return this.guest.guest.pids[0] ?? 0;
  }

  /** Mounts its files in the share, where only the guest sees them, and creates it. If this fails, nothing of it remains. */
  static async create(pod: PodGuest, wanted: NewPodContainer): Promise<PodContainer> {
    const { id, bundle, rootfs } = wanted;
    const directory = newDirectory(id);
    const places = {
      root: `${SHARED_IN_GUEST}/${directory}/rootfs`,
      bind: (index: number) => `${SHARED_IN_GUEST}/${directory}/${bindPlace(index)}`,
    };
    const { spec, binds, ownRoot, config } = readSpec(id, bundle, places);
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
    await guest.client.agent.createContainer({ container_id: id, exec_id: id, OCI: spec }, ANSWER);
    undo.defer(() => removeFromAgent(guest.client, id, ANSWER));
    const created = new PodContainer(wanted, guest, directory, config);
    for (const point of ["prestart", "createRuntime"] as const) await created.runHooks(point, "creating");
    undo.move();
    return created;
  }

  /** Runs the hooks of a point of its life. Throws OperationError. */
  async runHooks(point: HookPoint, status: HookState["status"]): Promise<void> {
    const { id, pid } = this;
    await runHooks(this.#config, point, { ociVersion: "1.0.2", id, status, pid, bundle: this.#bundle });
  }

  /** Removes it with its files in the share. The engine's own stay. */
  async remove(): Promise<void> {
    if (!this.guest.gone.aborted) await removeFromAgent(this.guest.client, this.id, ANSWER);
    await removeContainer(folderOf(this.guest).directory, this.#directory);
  }
}

const bindPlace = (index: number) => `volumes/${index}`;

function readSpec(
  id: string,
  bundle: string,
  places: Parameters<typeof guestSpec>[1],
): GuestSpec & { readonly ownRoot: string; readonly config: unknown } {
  const file = join(bundle, "config.json");
  const config = parseExactJson(readFileSync(file, "utf8"), file) as { root?: { path?: unknown } } | null;
  const ownRoot = resolve(bundle, String(config?.root?.path ?? "rootfs"));
  return { ...guestSpec(config, places, `container ${id}`), ownRoot, config };
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
