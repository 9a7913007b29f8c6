import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { debianFile } from "../../../host/engine/image/debian-file.ts";
import { thisPlatform } from "../../../image/platform.ts";
import { packTar, writeLayout } from "../../../image/write-layout.ts";

/** Path and MiB of the image's large file. */
export const [LARGE, LARGE_MIB] = ["/large", 200];
const TOOLS = ["sh", "sleep", "dd", "grep"];

/** Makes an image of busybox and a large file, which no compression makes smaller. Returns its path. */
export async function makeLargeImage(directory: string): Promise<string> {
  const path = join(directory, "large.tar");
  const layer = await packTar([
    { name: "bin/busybox", mode: 0o755, content: await debianFile("busybox-static", "bin/busybox") },
    ...TOOLS.map((name) => ({ name: `bin/${name}`, type: "link" as const, linkname: "bin/busybox", mode: 0o755 })),
    { name: LARGE.slice(1), mode: 0o644, content: randomBytes(LARGE_MIB << 20) },
  ]);
  await writeLayout(path, { name: "large", platform: thisPlatform(), config: { Env: ["PATH=/bin"] }, layers: [layer] });
  return path;
}
