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
/** Directories that are held open at once; deeper ones are moved to the top of the tree first. */
const MAX_DEPTH = 32;
/** Passes over a directory that removed nothing from it and could not remove it either. */
const MAX_IDLE = 5;

export interface RemoveOptions {
  /** For a tree that a running guest can write, which could make files as fast as they are removed. Milliseconds. */
  readonly limitMs?: number;
}

/**
 * Removes a directory and everything in it, whatever modes an image has given to its directories. Every step acts on an
 * entry of a directory that is held open, and follows no link: someone who renames and replaces things in the tree
 * meanwhile can change what is removed within it, never make this remove or change anything outside. Only the parent of
 * `directory` has to be out of reach of others. Rejects when the tree can't be removed, or not within the limit.
 */
export async function removeTree(directory: string, options: RemoveOptions = {}): Promise<void> {
  const yieldNow = yieldToEventLoop();
  for (const _step of removal(directory, options)) await yieldNow();
}

/** The same at a process's end. */
export function removeTreeSync(directory: string, options: RemoveOptions = {}): void {
  for (const _step of removal(directory, options));
}

/** A tree that is being removed. */
interface Removal {
  /** Its topmost directory, which takes what is too deep; undefined until that is open. */
  top: number | undefined;
  /** Entries removed or moved so far. */
  done: number;
  /** Throws when the time is over. */
  check(): void;
}

/** Yields after each entry. */
function* removal(directory: string, { limitMs = Number.POSITIVE_INFINITY }: RemoveOptions): Generator<void> {
  const end = performance.now() + limitMs;
  const check = () => {
    if (performance.now() > end) throw new Error(`remove ${directory}: still written to after ${limitMs / 1000} s`);
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
    // A directory that takes the place of a file meanwhile is opened the next time, and the reverse.
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
    if (idle === MAX_IDLE) throw new Error(`remove ${name.toString()}: it is changed again and again: try later`);
  }
  tree.done += 1;
  tree.check();
  yield;
}

/** Removes what one pass over an open directory finds in it. */
function* empty(tree: Removal, directory: number, depth: number): Generator<void> {
  tree.top ??= directory;
  openToOwner(directory);
  // Names of files are bytes.
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
    // Its ".." changes, for which it has to be writable.
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

/** By its descriptor: a path could be a link by now. */
function openToOwner(directory: number): void {
  if ((fstatSync(directory).mode & 0o700) !== 0o700) chmodSync(`/proc/self/fd/${directory}`, 0o700);
}

function entryOf(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** Whether there is no such entry any more; false for these errors. */
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

/** Undefined for these errors. */
function attempt<T>(work: () => T, ...codes: readonly string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
