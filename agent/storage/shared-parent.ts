import { O_DIRECTORY, O_NOFOLLOW, O_PATH } from "../kernel/constants.ts";
import { SystemError } from "../kernel/error.ts";
import type { Served } from "../kernel/files/contained-files.ts";
import type { Handle } from "../kernel/files/served-files.ts";
import { openBeneath } from "./shared-path.ts";

/** Attributes of directories that are created on the way. All get the mode; the last one gets the owner too. */
export interface DirectoryTraits {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** An open directory, and the directories that were created to reach it. */
export interface SharedParent {
  /** O_PATH. */
  readonly handle: Handle;
  /** Removes the created directories that are still empty. To be called before `close`. */
  undo(): Promise<void>;
  close(): void;
}

/**
 * Opens the directory `names` below `root`, creating missing directories. Rejects with AgentError, and leaves nothing
 * behind.
 */
export async function openSharedParent(
  files: Served,
  root: Handle,
  names: readonly string[],
  traits: DirectoryTraits,
): Promise<SharedParent> {
  const opened: Handle[] = [];
  const made: { readonly dir: Handle; readonly name: Buffer }[] = [];
  const keep = (handle: Handle): Handle => {
    opened.push(handle);
    return handle;
  };
  const parent = {
    async undo() {
      for (const { dir, name } of made.splice(0).toReversed()) await removeIfEmpty(files, dir, name);
    },
    close() {
      for (const handle of opened.splice(0)) files.close(handle);
    },
  };
  try {
    const there = await openExisting(files, root, names);
    if (there !== undefined) return { ...parent, handle: keep(there) };
    let handle = root;
    for (const [index, each] of names.entries()) {
      const existing = await openExisting(files, root, names.slice(0, index + 1));
      if (existing !== undefined) {
        handle = keep(existing);
        continue;
      }
      const name = Buffer.from(each);
      await files.mkdir(handle, name);
      made.push({ dir: handle, name });
      handle = keep((await openBeneath(files, handle, [each], O_PATH | O_DIRECTORY | O_NOFOLLOW)).handle);
      if (index === names.length - 1) await files.chown(handle, traits.uid, traits.gid);
      await files.chmod(handle, traits.mode);
    }
    return { ...parent, handle };
  } catch (error) {
    await parent.undo();
    parent.close();
    throw error;
  }
}

async function openExisting(files: Served, root: Handle, names: readonly string[]): Promise<Handle | undefined> {
  try {
    return (await openBeneath(files, root, names.length === 0 ? ["."] : names, O_PATH | O_DIRECTORY)).handle;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function removeIfEmpty(files: Served, dir: Handle, name: Buffer): Promise<void> {
  await files.unlink(dir, name, true).catch(() => {
    // It isn't empty any more.
  });
}
