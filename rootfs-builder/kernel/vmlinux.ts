import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import { withTemporary } from "../with-temporary.ts";

/** Offsets of fields in the boot protocol's header (Documentation/arch/x86/boot.rst). */
const SETUP_SECTORS = 0x1f1;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const FIRST_WITH_PAYLOAD = 0x0208;
const SECTOR = 512;
const ELF = Buffer.from("\x7fELF", "latin1");

const GZIP = Buffer.from([0x1f, 0x8b]);
const LZ4 = Buffer.from([0x02, 0x21, 0x4c, 0x18]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** All formats except gzip are followed by the uncompressed size. */
const SIZE_FIELD = 4;

/**
 * Returns the kernel as an uncompressed ELF file, which Firecracker needs: the payload of a bzImage, or an ELF file
 * unchanged.
 * @param name for messages
 */
export async function vmlinuxOf(image: Buffer, name: string): Promise<Buffer> {
  if (image.subarray(0, ELF.length).equals(ELF)) return image;
  const kernel = await unpack(payload(image, name), name);
  if (!kernel.subarray(0, ELF.length).equals(ELF))
    throw new BuildError(`kernel ${name}: its payload is not an ELF file`);
  return kernel;
}

function payload(image: Buffer, name: string): Buffer {
  if (image.length < PAYLOAD_LENGTH + 4 || image.toString("latin1", HEADER_MAGIC, HEADER_MAGIC + 4) !== "HdrS") {
    throw new BuildError(`kernel ${name}: neither an ELF file nor a bzImage`);
  }
  if (image.readUInt16LE(VERSION) < FIRST_WITH_PAYLOAD) throw new BuildError(`kernel ${name}: older than Linux 2.6.26`);
  const setup = (image[SETUP_SECTORS] || 4) + 1;
  const start = setup * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET);
  const length = image.readUInt32LE(PAYLOAD_LENGTH);
  if (start + length > image.length) throw new BuildError(`kernel ${name}: cut off`);
  return image.subarray(start, start + length);
}

async function unpack(packed: Buffer, name: string): Promise<Buffer> {
  const starts = (magic: Buffer) => packed.subarray(0, magic.length).equals(magic);
  if (starts(GZIP)) return promisify(gunzip)(packed);
  const bare = packed.subarray(0, packed.length - SIZE_FIELD);
  if (starts(ZSTD)) return promisify(zstdDecompress)(bare);
  if (starts(LZ4)) return unpackLz4(bare);
  throw new BuildError(`kernel ${name}: unsupported compression (supported: gzip, lz4, zstd)`);
}

/** Decompresses the kernel's lz4 frames, which have the legacy format. */
async function unpackLz4(packed: Buffer): Promise<Buffer> {
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "kernel.lz4"), packed);
    await run("lz4", ["-d", "-q", join(work, "kernel.lz4"), join(work, "kernel")]);
    return readFile(join(work, "kernel"));
  });
}
