import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";

export type Compression = "none" | "gzip" | "zstd";

const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel } = constants;

/** Compresses an archive in a form that the kernel unpacks. The result contains no time or name. */
export async function compress(archive: Buffer, compression: Compression): Promise<Buffer> {
  switch (compression) {
    case "none":
      return archive;
    case "gzip":
      // Node writes no time into the header, and its system byte depends only on the platform.
      return promisify(gzip)(archive, { level: 9 });
    case "zstd":
      return promisify(zstdCompress)(archive, { params: { [ZSTD_c_compressionLevel]: 19, [ZSTD_c_checksumFlag]: 1 } });
  }
}
