import { type TarEntry, tarEntries } from "../lib/archive/tar-entries.ts";
import { reason } from "../lib/reason.ts";
import { yieldToEventLoop } from "../lib/yield-to-event-loop.ts";
import { type EntryMeta, entryMeta } from "./entry-meta.ts";
import { entryPath, whiteoutOf } from "./entry-path.ts";
import { ImageError } from "./image-error.ts";
import { overLimit } from "./over-limit.ts";
import type { Layer } from "./read-image.ts";

type Done = void | Promise<void>;

/**
 * Receives the entries of layers and writes only below one directory. Paths are lists of names below that directory.
 */
export interface LayerWriter {
  /** Starts a layer: whiteouts from now on hide only what earlier layers wrote. */
  beginLayer(): Done;
  directory(parts: readonly string[], meta: EntryMeta): Done;
  file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Done;
  symlink(parts: readonly string[], meta: EntryMeta, target: string): Done;
  /**
   * Adds a second name for an existing file. If the target is a symbolic link, the link itself gets the second name.
   */
  hardLink(parts: readonly string[], target: readonly string[]): Done;
  /** Creates a named pipe or a device. */
  node(parts: readonly string[], meta: EntryMeta, type: "p" | "c" | "b", major: number, minor: number): Done;
  /** Removes what lower layers have at this path. */
  hide(parts: readonly string[]): Done;
  /** Removes everything that lower layers have in this directory. */
  hideChildren(parts: readonly string[]): Done;
}

/** A layer, or another tar. `name` identifies the tar in errors, where a digest would not help: "tar files.tar.gz". */
export type AppliedLayer = Pick<Layer, "diffId" | "open"> & { readonly name?: string };

export interface ApplyOptions {
  /** Refuses names that start with a slash; otherwise they count from the root. */
  readonly refuseAbsolute?: boolean;
  /**
   * Refuses a tar without an end-of-archive mark. Layers don't need one: their digests show whether they are complete.
   */
  readonly endMark?: boolean;
  /** Kinds of entry that the writer doesn't support, each with the reason in a few words. */
  readonly leftOut?: { readonly devices?: string; readonly xattrs?: string };
  /**
   * Refuses a layer with more entries. A directory counts as eight, because the writer remembers it until the layer
   * ends.
   */
  readonly maxEntries?: number;
  /** Refuses layers that have more uncompressed bytes together. */
  readonly maxBytes?: number;
  /** Called with the number of uncompressed bytes read so far, over all layers. Cancels the work by throwing. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyReport {
  readonly entries: number;
  /** One line for each kind of entry that was left out. */
  readonly notes: readonly string[];
}

/**
 * Applies layers in order. Throws ImageError or the signal's reason, and then leaves a part of the image in the tree.
 */
export async function applyLayers(
  layers: Iterable<AppliedLayer>,
  writer: LayerWriter,
  options: ApplyOptions = {},
): Promise<ApplyReport> {
  const job: Job = { writer, options, left: new Map(), entries: 0, bytes: 0 };
  for (const layer of layers) await applyLayer(job, layer);
  return { entries: job.entries, notes: Array.from(job.left, ([what, count]) => `${what}: left out (${count})`) };
}

interface Job {
  readonly writer: LayerWriter;
  readonly options: ApplyOptions;
  /** Number of entries left out, by kind. */
  readonly left: Map<string, number>;
  entries: number;
  bytes: number;
}

async function applyLayer(job: Job, layer: AppliedLayer): Promise<void> {
  const { signal, endMark, maxEntries = Number.POSITIVE_INFINITY } = job.options;
  const yieldNow = yieldToEventLoop();
  let at = "";
  let entries = 0;
  try {
    await job.writer.beginLayer();
    for await (const entry of tarEntries(counted(job, layer.open()), { endMark })) {
      signal?.throwIfAborted();
      job.entries += 1;
      entries += entry.header.type === "directory" ? 8 : 1;
      if (entries > maxEntries) throw new ImageError("it has too many entries");
      await yieldNow();
      at = ` entry ${JSON.stringify(entry.header.name.slice(0, 200))}:`;
      await applyEntry(job, entry);
      at = "";
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    const what = layer.name ?? `layer ${layer.diffId.slice(0, 19)}`;
    throw new ImageError(`unpack ${what}:${at} ${reason(error)}`, { cause: error });
  }
}

async function* counted(job: Job, source: AsyncIterable<Uint8Array>) {
  const { maxBytes = Number.POSITIVE_INFINITY, onProgress } = job.options;
  for await (const chunk of source) {
    job.bytes += chunk.length;
    if (job.bytes > maxBytes) throw overLimit("its layers need", maxBytes);
    onProgress?.(job.bytes);
    yield chunk;
  }
}

async function applyEntry(job: Job, { header, content }: TarEntry): Promise<void> {
  const { writer } = job;
  const { xattrs, devices } = job.options.leftOut ?? {};
  if (job.options.refuseAbsolute === true && [header.name, header.linkname].some(isAbsolute)) {
    if (header.type !== "symlink" || isAbsolute(header.name))
      throw new ImageError("its name or link target is an absolute path");
  }
  const parts = entryPath(header.name);
  const whiteout = whiteoutOf(parts.at(-1) ?? "");
  if (whiteout !== undefined) {
    const parent = parts.slice(0, -1);
    if (whiteout.hides === "name") await writer.hide([...parent, whiteout.name]);
    if (whiteout.hides === "siblings") await writer.hideChildren(parent);
    return;
  }
  const meta = entryMeta(header);
  if (xattrs !== undefined && meta.xattrs.size > 0) leaveOut(job, xattrs);
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
      if (devices !== undefined) return leaveOut(job, devices);
      return writer.node(parts, meta, header.type === "block-device" ? "b" : "c", header.devmajor, header.devminor);
    }
    default:
      throw new ImageError("its type is not supported");
  }
}

function isAbsolute(name: string | null): boolean {
  return name?.startsWith("/") === true;
}

function leaveOut(job: Job, what: string): void {
  job.left.set(what, (job.left.get(what) ?? 0) + 1);
}
