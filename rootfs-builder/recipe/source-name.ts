import type { Source } from "./recipe.ts";

/** Names a source in messages and lists: "tar files.tar.gz". */
export function sourceName(source: Source): string {
  return `${source.kind} ${source.kind === "packages" ? source.names.join(" ") : source.path}`;
}
