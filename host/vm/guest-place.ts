import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { onProcessEnd } from "../../lib/process-end.ts";
import { makeTemporaryFolder } from "../private-folder.ts";
import { type GuestSize, makeGuestCgroup, removeGuestCgroup, removeIfEmpty } from "./cgroup/guest-cgroup.ts";

/** Longest directory path: Unix socket paths have at most 107 bytes, and ours need about twenty after the directory. */
const DIRECTORY_LIMIT = 60;
/** Open files of QEMU and of the vsock device: each connection over the user network or vsock takes one. */
export const OPEN_FILES = 4096;

/** Where a guest's programs have their sockets and run. */
export interface GuestPlace {
  readonly directory: string;
  /** Folder of their cgroup, if this user can create one. */
  readonly cgroup: string | undefined;
}

/** A place that is removed when this process exits, unless it is kept. */
export interface OwnPlace extends GuestPlace {
  readonly keep: () => void;
  /** Removes it once the programs have ended. */
  readonly remove: () => Promise<void>;
}

/** Creates the directory and the cgroup for the programs of a guest of at most this size. */
export function makeGuestPlace(size: GuestSize): OwnPlace {
  const parent = tmpdir().length > DIRECTORY_LIMIT ? "/tmp" : tmpdir();
  const directory = makeTemporaryFolder("guestd-vm-", parent);
  try {
    const place = { directory, cgroup: makeGuestCgroup(size) };
    const keep = onProcessEnd(() => {
      rmSync(directory, { recursive: true, force: true });
      // If a program is still in it, the next guest's start removes it.
      if (place.cgroup !== undefined) removeIfEmpty(place.cgroup);
    });
    const remove = async () => {
      keep();
      await removePlace(place);
    };
    return { ...place, keep, remove };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Removes the place of a guest whose programs have just ended. */
export async function removePlace({ directory, cgroup }: GuestPlace): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  if (cgroup !== undefined) await removeGuestCgroup(cgroup);
}
