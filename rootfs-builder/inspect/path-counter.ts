import { BuildError, reason } from "../build-error.ts";
import { checkPath } from "../tree/check-entry.ts";
import { MAX_ENTRIES, MAX_PATHS } from "./bounds.ts";
import { shown } from "./check.ts";

/**
 * Gives the path of each entry that is found in an image, and throws BuildError where they become too many, too long, or
 * one is no name. The root's path is "".
 * @param where the kind of image, for messages
 */
export function pathCounter(where: string): (parent: string, name: string) => string {
  let [entries, bytes] = [0, 0];
  return (parent, name) => {
    if (name === "" || /[/\0]/.test(name)) throw new BuildError(`${where}: an entry is named ${JSON.stringify(name)}`);
    const path = parent === "" ? name : `${parent}/${name}`;
    try {
      checkPath(path);
    } catch (error) {
      throw new BuildError(`${where}: /${shown(path).slice(0, 200)}: ${reason(error)}`);
    }
    entries += 1;
    bytes += Buffer.byteLength(path);
    if (entries > MAX_ENTRIES) throw new BuildError(`${where}: more than ${MAX_ENTRIES} entries`);
    if (bytes > MAX_PATHS) throw new BuildError(`${where}: its paths have more than ${MAX_PATHS} bytes together`);
    return path;
  };
}
