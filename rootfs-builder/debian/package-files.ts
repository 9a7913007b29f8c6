import type { TarSource } from "../tree/merge.ts";
import { type DebianPackage, fileSystemTar, merged } from "./debian-package.ts";

/** Files that no program reads: documentation, translations, obsolete character sets, package checks. */
const LEFT_OUT =
  /^usr\/(share\/(bash-completion|bug|doc|doc-base|help|info|lintian|locale|man|menu|zsh)|lib\/[^/]+\/gconv)(\/|$)/;

/** Returns all files of a package that a recipe requests. Its maintainer scripts don't run. */
export function packageFiles({ name, file }: DebianPackage): TarSource {
  return {
    name: `package ${name}`,
    stream: fileSystemTar(file),
    place: (path) => (LEFT_OUT.test(merged(path)) ? undefined : merged(path)),
  };
}
