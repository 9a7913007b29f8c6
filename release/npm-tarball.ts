import { constants, gzipSync } from "node:zlib";
import { packTar } from "../image/write-layout.ts";
import { inOrder, type PackageFile } from "./package-file.ts";

/** Packs files as npm does, below package/. All times are 0 and root owns everything. */
export async function npmTarball(files: readonly PackageFile[]): Promise<Buffer> {
  const tar = await packTar(
    inOrder(files).map(({ path, mode = 0o644, content }) => ({ name: `package/${path}`, mode, content })),
  );
  return gzipSync(tar, { level: constants.Z_BEST_COMPRESSION });
}
