import { mkdirSync, readdirSync } from "node:fs";
import { entryMeta } from "./entry-meta.ts";
import { entryPath, whiteoutOf } from "./entry-path.ts";
import { ImageError, reason } from "./image-error.ts";
import type { Image, Layer } from "./read-image.ts";
import { type TarEntry, tarEntries } from "./tar-entries.ts";
import { TreeWriter } from "./tree-writer.ts";

export interface UnpackOptions {
  /** Give files the owners of the image. Default: when root runs this, as only root may. */
  readonly keepOwners?: boolean;
  /** Bytes of the layers' plain content so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

export interface UnpackReport {
  readonly entries: number;
  /** One line for each kind of thing that was left out. */
  readonly notes: readonly string[];
}

/**
 * Applies an image's layers to a directory, which is made or is empty. Nothing outside it is written, whatever the image
 * says. Throws ImageError; the directory then holds a part of the image and is the caller's to remove.
 */
export async function unpack(
  image: Pick<Image, "layers">,
  directory: string,
  options: UnpackOptions = {},
): Promise<UnpackReport> {
  mkdirSync(directory, { recursive: true });
  if (readdirSync(directory).length > 0) throw new ImageError(`unpack image to ${directory}: it is not empty`);
  const keepOwners = options.keepOwners ?? process.getuid?.() === 0;
  const job: Job = { writer: new TreeWriter(directory, keepOwners), keepOwners, left: new Map(), entries: 0, bytes: 0 };
  try {
    for (const layer of image.layers) await applyLayer(job, layer, options);
  } finally {
    job.writer.finish();
  }
  const notes = Array.from(job.left, ([what, count]) => `${what}: left out (${count})`);
  if (!keepOwners) notes.push("owners of files: all are yours, as only root may give files away");
  return { entries: job.entries, notes };
}

interface Job {
  readonly writer: TreeWriter;
  readonly keepOwners: boolean;
  /** What was left out, how often. */
  readonly left: Map<string, number>;
  entries: number;
  bytes: number;
}

async function applyLayer(job: Job, layer: Layer, { onProgress, signal }: UnpackOptions): Promise<void> {
  job.writer.beginLayer();
  let at = "";
  try {
    for await (const entry of tarEntries(counted(job, layer.open(), onProgress))) {
      signal?.throwIfAborted();
      job.entries += 1;
      at = ` entry ${JSON.stringify(entry.header.name)}:`;
      await applyEntry(job, entry);
      at = "";
    }
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ImageError(`unpack layer ${layer.diffId.slice(0, 19)}:${at} ${reason(error)}`, { cause: error });
  }
}

async function* counted(job: Job, source: AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void) {
  for await (const chunk of source) {
    job.bytes += chunk.length;
    onProgress?.(job.bytes);
    yield chunk;
  }
}

async function applyEntry(job: Job, { header, content }: TarEntry): Promise<void> {
  const { writer } = job;
  const parts = entryPath(header.name);
  const whiteout = whiteoutOf(parts.at(-1) ?? "");
  if (whiteout !== undefined) {
    const parent = parts.slice(0, -1);
    if (whiteout.hides === "name") writer.hide([...parent, whiteout.name]);
    if (whiteout.hides === "siblings") writer.hideChildren(parent);
    return;
  }
  if (Object.keys(header.pax ?? {}).some((key) => key.startsWith("SCHILY.xattr.")))
    leaveOut(job, "extended attributes");
  const meta = entryMeta(header);
  switch (header.type) {
    case "directory":
      return writer.directory(parts, meta);
    case "file":
    case "contiguous-file":
      return writer.file(parts, meta, content);
    case "symlink":
      return writer.symlink(parts, meta, header.linkname ?? "");
    case "link":
      return writer.hardLink(parts, entryPath(header.linkname ?? ""));
    case "fifo":
      return writer.node(parts, meta, "p", 0, 0);
    case "character-device":
    case "block-device": {
      if (!job.keepOwners) return leaveOut(job, "devices, as only root may make them");
      const type = header.type === "block-device" ? "b" : "c";
      return writer.node(parts, meta, type, header.devmajor, header.devminor);
    }
    default:
      throw new ImageError("its type is unknown");
  }
}

function leaveOut(job: Job, what: string): void {
  job.left.set(what, (job.left.get(what) ?? 0) + 1);
}
