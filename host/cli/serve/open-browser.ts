import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Opens a link in the user's browser if a desktop is there, by a file in a private folder: other users can see the arguments of
 * programs. Removes the file at disposal. Whatever fails, the printed link remains.
 */
export function openBrowser(url: string, folder: string): Disposable {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  if (!process.stdout.isTTY || (!DISPLAY && !WAYLAND_DISPLAY)) return { [Symbol.dispose]: () => undefined };
  const file = join(folder, ".serve.html");
  writeFileSync(file, `<!doctype html><meta http-equiv="refresh" content="0;url=${url}">\n`, { mode: 0o600 });
  spawn("xdg-open", [file], { detached: true, stdio: "ignore" })
    .on("error", () => undefined)
    .unref();
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}
