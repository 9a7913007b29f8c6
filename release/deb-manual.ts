import { SHELL_SCRIPTS, type Shell } from "../host/cli/completion/shell-scripts.ts";
import { MAN } from "./manual-pages.ts";
import { type PackageFile, textFile } from "./package-file.ts";

/** Files from which Debian's shells load the completion of a package's command. */
const COMPLETIONS: Readonly<Record<Shell, string>> = {
  bash: "usr/share/bash-completion/completions/guestctl",
  zsh: "usr/share/zsh/vendor-completions/_guestctl",
  fish: "usr/share/fish/vendor_completions.d/guestctl.fish",
};

/** Returns the shells' completion of guestctl, where Debian's packages have it. */
export function debCompletions(): readonly PackageFile[] {
  return Object.entries(COMPLETIONS).map(([shell, path]) => textFile(path, SHELL_SCRIPTS[shell as Shell]));
}

/** True for a manual page of the npm package. */
export function isManualPage({ path }: PackageFile): boolean {
  return path.startsWith(`${MAN}/`);
}

/** Returns a manual page where Debian's packages have it. */
export function debManualPage({ path, content }: PackageFile): PackageFile {
  return { path: `usr/share/man/man1/${path.slice(MAN.length + 1)}`, content };
}
