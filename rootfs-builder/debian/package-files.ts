import type { TarSource } from "../tree/merge.ts";
import { type DebianPackage, fileSystemTar, merged } from "./debian-package.ts";

/** What no program reads: documentation, translations, character sets of other times, checks of packages. */
const LEFT_OUT =
  /^usr\/(share\/(bash-completion|bug|doc|doc-base|help|info|lintian|locale|man|menu|zsh)|lib\/[^/]+\/gconv)(\/|$)/;

/** All files of a package that a recipe asked for; no maintainer script of it runs. */
export function packageFiles({ name, file }: DebianPackage): TarSource {
  return {
    name: `package ${name}`,
    stream: fileSystemTar(file),
    place: (path) => (LEFT_OUT.test(merged(path)) ? undefined : merged(path)),
  };
}
