import { gzipSync, zstdCompressSync } from "node:zlib";
import { applyLayers, type LayerWriter } from "../../../../image/apply-layers.ts";
import { decompress } from "../../../../image/decompress.ts";
import { ImageError } from "../../../../image/image-error.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

/**
 * Limit of unpacked bytes: beyond it the target stops, because zstd and gzip may rightly expand a small input to a huge
 * one.
 */
const MOST_BYTES = 8 << 20;

export const layers: FuzzTarget = {
  name: "layers",
  promise:
    "a layer's bytes, plain or compressed with gzip or zstd, are refused with one line, or are entries that match their headers and stay below the root",
  seeds: () => {
    const pax =
      record("path", "long/name") +
      record("mtime", "1.5") +
      record("SCHILY.xattr.user.a", "b") +
      record("uid", "70000");
    const tar = Buffer.concat([
      header("dir/", "5", 0),
      block("dir/file", "0", "content"),
      header("dir/link", "2", 0, "file"),
      header("dir/hard", "1", 0, "dir/file"),
      block("x", "x", pax),
      block("short", "0", "y"),
      block("././@LongLink", "L", "very/long/name\0"),
      header("z", "6", 0),
      header("dir/.wh.gone", "0", 0),
      header("dev", "3", 0),
      Buffer.alloc(1024),
    ]);
    return [
      tar,
      gzipSync(tar),
      zstdCompressSync(tar),
      Buffer.concat([zstdCompressSync(tar.subarray(0, 600)), zstdCompressSync(tar.subarray(600))]),
    ];
  },
  words: [
    ".wh.",
    ".wh..wh..opq",
    "../",
    "SCHILY.xattr.",
    "path=",
    "size=",
    "GNU.sparse.",
    "ustar\x0000",
    "\x28\xb5\x2f\xfd",
    "\x50\x2a\x4d\x18",
  ],
  maxLength: 16_384,
  async run(input) {
    // Checksums are corrected, because the parser stops at a wrong one, which most mutations would produce.
    const bytes = withChecksums(input);
    const open = async function* () {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    };
    let total = 0;
    const onProgress = (count: number) => {
      total = count;
      if (count > MOST_BYTES) throw new ImageError("enough bytes");
    };
    const layer = {
      diffId: "sha256:fuzz",
      open: async function* () {
        yield* await decompress(open());
      },
    };
    try {
      await applyLayers(
        [layer],
        writer(() => total),
        { onProgress, maxEntries: 10_000 },
      );
    } catch (error) {
      refuses(error, ImageError);
      const { cause } = error as Error;
      if (cause instanceof TypeError || (cause instanceof RangeError && !("code" in cause))) throw cause;
    }
  },
};

function writer(total: () => number): LayerWriter {
  const check = (parts: readonly string[]) => {
    for (const part of parts)
      promise(
        part !== "" && part !== "." && part !== ".." && !/[/\0]/.test(part),
        `a part of a path: ${JSON.stringify(part)}`,
      );
  };
  return {
    beginLayer: () => undefined,
    directory: (parts, meta) => {
      check(parts);
      promise(meta.mode <= 0o7777 && meta.uid >= 0 && meta.gid < 2 ** 32, "mode and owners are valid");
    },
    async file(parts, meta, content) {
      check(parts);
      promise(Number.isFinite(meta.mtime), "a time is valid");
      let bytes = 0;
      for await (const chunk of content) bytes += chunk.length;
      promise(bytes <= total(), "a file is no longer than the bytes read");
    },
    symlink: (parts) => check(parts),
    hardLink: (parts, target) => {
      check(parts);
      check(target);
    },
    node: (parts) => check(parts),
    hide: (parts) => check(parts),
    hideChildren: (parts) => check(parts),
  };
}

const record = (key: string, value: string) => {
  const rest = ` ${key}=${value}\n`;
  const length = rest.length + String(rest.length + 2).length;
  return `${length}${rest}`;
};

function header(name: string, type: string, size: number, link = ""): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name, 0);
  bytes.write("0000644\x000000000\x000000000\0", 100);
  bytes.write(`${size.toString(8).padStart(11, "0")}\x0000000000000\0        ${type}${link}`, 124, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  return withChecksum(bytes);
}

const block = (name: string, type: string, content: string) =>
  Buffer.concat([header(name, type, content.length), Buffer.from(content), Buffer.alloc(-content.length & 511)]);

function withChecksum(bytes: Buffer): Buffer {
  bytes.fill(" ", 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

function withChecksums(input: Buffer): Buffer {
  for (let at = 0; at + 512 <= input.length; at += 512) {
    const one = input.subarray(at, at + 512);
    if (one.toString("latin1", 257, 262) === "ustar") withChecksum(one);
  }
  return input;
}
