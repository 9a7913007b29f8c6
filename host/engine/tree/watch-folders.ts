import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";

/** How long changes are collected before they are reported. */
const QUIET_MS = 50;
/** Files that no one has reported, such as on a file system without inotify, are found this late. */
const REREAD_MS = 5000;

/** Calls `onChange` soon after a file in the folder, or in a folder in it, has changed. Returns the function that ends it. */
export function watchFolders(root: string, onChange: () => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  let quiet: NodeJS.Timeout | undefined;
  const changed = () => {
    quiet ??= setTimeout(() => {
      quiet = undefined;
      follow();
      onChange();
    }, QUIET_MS);
  };
  const add = (path: string) => {
    if (watchers.has(path)) return;
    try {
      const watcher = watch(path, changed);
      watcher.on("error", () => remove(path));
      watchers.set(path, watcher);
    } catch {
      // It is gone, or all of the user's watches are taken: the next reading finds what has changed.
    }
  };
  const remove = (path: string) => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const follow = () => {
    add(root);
    const folders = namesIn(root)
      .filter((name) => !name.startsWith("."))
      .map((name) => join(root, name));
    for (const path of folders) add(path);
    for (const path of watchers.keys()) if (path !== root && !folders.includes(path)) remove(path);
  };
  follow();
  const timer = setInterval(() => {
    follow();
    onChange();
  }, REREAD_MS);
  return () => {
    clearInterval(timer);
    clearTimeout(quiet);
    for (const path of [...watchers.keys()]) remove(path);
  };
}
