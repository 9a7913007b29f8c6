import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  opendirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { yieldToEventLoop } from "./yield-to-event-loop.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const O_PATH = 0o10000000;
/** Limit for directories held open at once; deeper ones are first moved to the top of the tree. */
const MAX_DEPTH = 32;
/** Limit for passes over a directory that neither remove anything from it nor the directory itself. */
const MAX_IDLE = 5;

export interface RemoveOptions {
  /** Time limit in milliseconds, for a tree in which a running guest could create files as fast as they are removed. */
  readonly limitMs?: number;
}

/**
 * Removes a directory and everything in it, whatever modes an image has set. Each step acts on an entry of an open
 * directory and follows no link, so a process that renames or replaces parts of the tree meanwhile can change what is
 * removed inside, but never make this remove or change anything outside. Only the parent of `directory` has to be out
 * of others' reach. Rejects if the tree can't be removed, or not within the limit.
 */
export async function removeTree(directory: string, options: RemoveOptions = {}): Promise<void> {
  const yieldNow = yieldToEventLoop();
  for (const _step of removal(directory, options)) await yieldNow();
}

/** Removes a tree synchronously, for the end of a process. */
export function removeTreeSync(directory: string, options: RemoveOptions = {}): void {
  for (const _step of removal(directory, options));
}

/** State of one removal. */
interface Removal {
  /** The topmost directory, which receives those that are too deep; undefined until it is open. */
  top: number | undefined;
  /** Entries removed or moved so far. */
  done: number;
  /** Throws if the time limit has passed. */
  check(): void;
}

/** Yields after each entry. */
function* removal(directory: string, { limitMs = Number.POSITIVE_INFINITY }: RemoveOptions): Generator<void> {
  const end = performance.now() + limitMs;
  const check = () => {
    if (performance.now() > end)
      throw new Error(`remove ${directory}: other processes still write to it after ${limitMs / 1000} s`);
  };
  const parent = attempt(() => openSync(dirname(directory), O_PATH | O_DIRECTORY), "ENOENT", "ENOTDIR");
  if (parent === undefined) return;
  try {
    yield* removeEntry({ top: undefined, done: 0, check }, parent, Buffer.from(basename(directory)), 0);
  } finally {
    closeSync(parent);
  }
}

/** Removes an entry of an open directory, with everything below it. */
function* removeEntry(tree: Removal, parent: number, name: Buffer, depth: number): Generator<void> {
  const place = entryOf(parent, name);
  for (let idle = 0; ; idle++) {
    const before = tree.done;
    const directory = attempt(() => openSync(place, O_PATH | O_DIRECTORY | O_NOFOLLOW), "ENOTDIR", "ENOENT");
    // If a directory replaces a file meanwhile, or the reverse, the next pass handles it.
    if (directory === undefined) {
      if (gone(() => unlinkSync(place), "EISDIR")) break;
    } else {
      try {
        yield* empty(tree, directory, depth);
      } finally {
        if (tree.top === directory) tree.top = undefined;
        closeSync(directory);
      }
      if (gone(() => rmdirSync(place), "ENOTEMPTY", "EEXIST", "ENOTDIR")) break;
    }
    if (tree.done > before) idle = 0;
    if (idle === MAX_IDLE) throw new Error(`remove ${name.toString()}: it keeps changing: try again later`);
  }
  tree.done += 1;
  tree.check();
  yield;
}

/** Removes the entries that one pass over an open directory finds. */
function* empty(tree: Removal, directory: number, depth: number): Generator<void> {
  tree.top ??= directory;
  openToOwner(directory);
  // File names are bytes.
  using entries = opendirSync(`/proc/self/fd/${directory}`, { encoding: "latin1" });
  for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
    const name = Buffer.from(entry.name, "latin1");
    const place = entryOf(directory, name);
    if (!entry.isDirectory() && gone(() => unlinkSync(place), "EISDIR")) {
      tree.done += 1;
      tree.check();
      yield;
    } else if (depth < MAX_DEPTH) yield* removeEntry(tree, directory, name, depth + 1);
    else moveUp(tree, place, tree.top);
  }
}

/** Moves a directory that is too deep to the top, where the next pass finds it. */
function moveUp(tree: Removal, place: Buffer, top: number): void {
  const directory = attempt(() => openSync(place, O_PATH | O_DIRECTORY | O_NOFOLLOW), "ENOTDIR", "ENOENT");
  if (directory === undefined) return;
  try {
    // The move changes its "..", which requires write permission.
    openToOwner(directory);
  } finally {
    closeSync(directory);
  }
  tree.done += 1;
  tree.check();
  attempt(
    () => renameSync(place, entryOf(top, Buffer.from(`.removing-${process.pid}-${tree.done}`))),
    "ENOENT",
    "ENOTEMPTY",
  );
}

/** Changes the mode through the descriptor: the path could be a link by now. */
function openToOwner(directory: number): void {
  if ((fstatSync(directory).mode & 0o700) !== 0o700) chmodSync(`/proc/self/fd/${directory}`, 0o700);
}

function entryOf(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** True if the entry no longer exists; false if `remove` fails with one of these errors. */
function gone(remove: () => void, ...codes: readonly string[]): boolean {
  return (
    attempt(
      () => {
        attempt(remove, "ENOENT");
        return true;
      },
      ...codes,
    ) ?? false
  );
}

/** Returns undefined if `work` fails with one of these errors. */
function attempt<T>(work: () => T, ...codes: readonly string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
