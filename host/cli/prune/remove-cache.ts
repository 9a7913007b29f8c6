import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { CACHE_TAG, isOwnCache } from "../../vm/cache-tag.ts";
import { cacheDirectory, userCache } from "../../vm/paths.ts";
import { CliError } from "../cli-error.ts";

/** Names in the cache's folder of what set-up, the image's build, guestctl and the release's launcher put there. */
const KEPT = [
  ...["accelerator.json", "compiled", "debs", "guest", "kernel", "node", "packages", "rego", "runsc"],
  ...["setup.lock", "setup.log", "setup.pid", "tools"],
];
/** Names in the user's cache of what containers and templates use. */
const OF_CONTAINERS = ["images", "layers", "roots", "saved", "templates"];

/** Folder in which cargo builds a crate, which stays if the build is interrupted; facts about packages, of any version. */
const NUMBERED = /^(build-[a-z0-9-]+@[0-9.]+|facts-\d+)$/;

/** True for a name in the cache's folder that guestd puts there. */
export function isKept(name: string): boolean {
  return KEPT.includes(name) || OF_CONTAINERS.includes(name) || NUMBERED.test(name);
}

/** Removes all that guestd keeps in its caches, and its records of guests. Returns the caches. Throws CliError while guests run. */
export async function removeCache(store: StateStore): Promise<readonly string[]> {
  const guests = store.guests().map(({ name }) => name);
  if (guests.length > 0) {
    throw new CliError(`setup: guests run from what would be removed; first: guestctl stop ${guests.join(" ")}`);
  }
  const directory = cacheDirectory();
  const ofUser = userCache("");
  const kept = await keptIn(directory, isKept);
  if (kept.length > 0 && !isOwnCache()) {
    const remedy = `remove by hand what is guestd's of ${kept.join(", ")}`;
    throw new CliError(`setup: ${directory}: guestd didn't create this folder (no ${CACHE_TAG} of its own); ${remedy}`);
  }
  await removeFrom(directory, kept);
  // Records of ended guests name what is removed here.
  await rm(store.root, { recursive: true, force: true });
  if (ofUser === directory) return [directory];
  const data = await keptIn(ofUser, (name) => OF_CONTAINERS.includes(name));
  await removeFrom(ofUser, data);
  return data.length === 0 ? [directory] : [directory, ofUser];
}

async function keptIn(directory: string, isOurs: (name: string) => boolean): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw cannotRemove(directory, error);
  });
  return names.filter(isOurs).sort();
}

async function removeFrom(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(directory, name);
    await rm(path, { recursive: true, force: true }).catch((error) => {
      throw cannotRemove(path, error);
    });
  }
  if (namesIn(directory).some((name) => name !== CACHE_TAG)) return;
  await rm(join(directory, CACHE_TAG), { force: true }).catch(() => undefined);
  await rmdir(directory).catch(() => undefined);
}

function cannotRemove(path: string, { code }: NodeJS.ErrnoException): CliError {
  return new CliError(`setup: remove ${path}: ${code}; repeat it as the user who ran setup`);
}
