import { spawn } from "node:child_process";

/** Opens a link in the user's browser if a desktop is there. Whatever fails, the printed link remains. */
export function openBrowser(url: string): void {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  if (!process.stdout.isTTY || (!DISPLAY && !WAYLAND_DISPLAY)) return;
  spawn("xdg-open", [url], { detached: true, stdio: "ignore" })
    .on("error", () => undefined)
    .unref();
}
