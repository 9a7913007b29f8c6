import { createWriteStream, rmSync } from "node:fs";
import { rename } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { onProcessEnd } from "../lib/process-end.ts";
import { digestOf } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** A tar entry. Its time is always 0, so that equal input gives equal bytes. */
export type LayerEntry = Omit<Parameters<ReturnType<typeof pack>["entry"]>[0], "mtime" | "size"> & {
  readonly content?: string | Uint8Array;
};

/** Returns a tar of these entries, in memory. */
export async function packTar(entries: Iterable<LayerEntry>): Promise<Buffer> {
  const tar = pack();
  const chunks: Uint8Array[] = [];
  const read = (async () => {
    for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  })();
  for (const { content, ...header } of entries) {
    const stamped = { ...header, mtime: new Date(0) };
    if (content === undefined) tar.entry(stamped);
    else tar.entry(stamped, typeof content === "string" ? Buffer.from(content) : content);
  }
  tar.finalize();
  await read;
  return Buffer.concat(chunks);
}

export interface LayoutImage {
  readonly name: string;
  readonly platform: Platform;
  /** Env, Cmd and so on. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Uncompressed tars, lowest first. */
  readonly layers: readonly Buffer[];
}

/** Writes an OCI layout as a tar file with gzip layers, atomically. Equal images give equal bytes. */
export async function writeLayout(path: string, image: LayoutImage): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const tar = await packTar(layoutEntries(image));
  const forget = onProcessEnd(() => rmSync(temporary, { force: true }));
  try {
    await pipeline([tar], createWriteStream(temporary, { flags: "wx" }));
    await rename(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
    forget();
  }
}

/** Returns the files of an OCI layout. */
export function layoutEntries({ name, platform, config, layers }: LayoutImage): LayerEntry[] {
  const blobs: Buffer[] = [];
  const descriptor = (mediaType: string, content: Buffer) => {
    blobs.push(content);
    return { mediaType, digest: digestOf(content), size: content.length };
  };
  const oci = "application/vnd.oci.image";
  const layerDescriptors = layers.map((layer) => descriptor(`${oci}.layer.v1.tar+gzip`, gzipSync(layer, { level: 6 })));
  const rootfs = { type: "layers", diff_ids: layers.map(digestOf) };
  const configDescriptor = descriptor(`${oci}.config.v1+json`, json({ created: EPOCH, ...platform, config, rootfs }));
  const manifest = {
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: configDescriptor,
    layers: layerDescriptors,
  };
  const annotations = { "org.opencontainers.image.ref.name": name };
  const manifests = [{ ...descriptor(manifest.mediaType, json(manifest)), platform, annotations }];
  return [
    { name: "oci-layout", content: json({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", content: json({ schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests }) },
    ...blobs.map((content) => ({ name: `blobs/sha256/${digestOf(content).slice("sha256:".length)}`, content })),
  ];
}

const EPOCH = "1970-01-01T00:00:00Z";

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
