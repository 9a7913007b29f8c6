import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundleHost } from "../../../release/bundle-host.ts";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";

/** Bundles guestctl as the npm package has it, and returns the path of its script: it takes less memory than the checkout's. */
export async function bundledGuestctl(): Promise<string> {
  const folder = makeWorkDirectory("guestctl");
  const { files } = await bundleHost(join(import.meta.dirname, "../../.."), { guestctl: "host/cli/guestctl.ts" });
  for (const { path, content } of [...files, { path: "package.json", content: '{"type":"module"}' }]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return join(folder, "dist/guestctl.js");
}
