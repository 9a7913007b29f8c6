import { ArchiveError } from "./archive-error.ts";

/** The request of a copy, and the state of its destination. */
export interface Destination {
  /** The destination as a person wrote it. */
  readonly path: string;
  /** Type of the file that the path leads to, through links. */
  readonly found: "directory" | "file" | undefined;
  /** True if the source is a directory. */
  readonly directory: boolean;
  /** Copies what is in the directory, not the directory itself. */
  readonly contents: boolean;
  /** Name of the source; empty for a foreign archive, which is extracted into a directory. */
  readonly name: string;
}

/** "into": below the path, which is a directory. "as": at the path, whose parent must exist. */
export type Placing = { readonly where: "into"; readonly as: string } | { readonly where: "as" };

/** Decides by docker's rules where a copy goes. `as` is empty for what belongs right below the path. Throws ArchiveError. */
export function chooseDestination({ path, found, directory, contents, name }: Destination): Placing {
  const refuse = (why: string) => new ArchiveError("failed-precondition", `${path}: ${why}`);
  const mustBeDirectory = /\/\.?$/.test(path) || name === "";
  if (found === "directory") return { where: "into", as: contents ? "" : name };
  if (found === "file") {
    if (directory) throw refuse("a directory can't be copied to a file; name a directory");
    if (mustBeDirectory) throw refuse("it is not a directory");
    return { where: "as" };
  }
  if (mustBeDirectory && !directory)
    throw new ArchiveError("not-found", `${path}: the directory doesn't exist; create it first`);
  return { where: "as" };
}
