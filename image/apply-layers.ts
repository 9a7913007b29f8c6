import { reason } from "../lib/reason.ts";
import { yieldToEventLoop } from "../lib/yield-to-event-loop.ts";
import { type EntryMeta, entryMeta } from "./entry-meta.ts";
import { entryPath, whiteoutOf } from "./entry-path.ts";
import { ImageError } from "./image-error.ts";
import type { Layer } from "./read-image.ts";
import { type TarEntry, tarEntries } from "./tar-entries.ts";

type Done = void | Promise<void>;

/** Where layers go: writes below one directory, and nothing anywhere else. Paths are parts below it. */
export interface LayerWriter {
  /** From here on, whiteouts hide all that was made before. */
  beginLayer(): Done;
  directory(parts: readonly string[], meta: EntryMeta): Done;
  file(parts: readonly string[], meta: EntryMeta, content: AsyncIterable<Uint8Array>): Done;
  symlink(parts: readonly string[], meta: EntryMeta, target: string): Done;
  /** A second name for a file that is in the tree already. A link itself is linked, not what it points at. */
  hardLink(parts: readonly string[], target: readonly string[]): Done;
  /** A named pipe, or a device. */
  node(parts: readonly string[], meta: EntryMeta, type: "p" | "c" | "b", major: number, minor: number): Done;
  /** Removes what lower layers have there. */
  hide(parts: readonly string[]): Done;
  /** Removes what lower layers have in a directory. */
  hideChildren(parts: readonly string[]): Done;
}

/** What is applied. `name` is for errors, where a digest would say nothing: "tar files.tar.gz". */
export type AppliedLayer = Pick<Layer, "diffId" | "open"> & { readonly name?: string };

export interface ApplyOptions {
  /** Names that begin with a slash, which else count from the root, are refused. */
  readonly refuseAbsolute?: boolean;
  /** A tar has to end as tar ends it. Layers need not: their digests tell whether they are whole. */
  readonly endMark?: boolean;
  /** What the writer can't make, and why in a few words. */
  readonly leftOut?: { readonly devices?: string; readonly xattrs?: string };
  /** A layer with more is refused. A directory, which the writer remembers until the layer's end, counts as eight. */
  readonly maxEntries?: number;
  /** Bytes of the layers' plain content so far. Ends the work by throwing. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyReport {
  readonly entries: number;
  /** One line for each kind of thing that was left out. */
  readonly notes: readonly string[];
}

/** Applies layers in order. Throws ImageError, or the signal's reason; the tree then holds a part of the image. */
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
  /** What was left out, how often. */
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
      if (entries > maxEntries) throw new ImageError("it has more entries than can be remembered");
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
  for await (const chunk of source) {
    job.bytes += chunk.length;
    job.options.onProgress?.(job.bytes);
    yield chunk;
  }
}

async function applyEntry(job: Job, { header, content }: TarEntry): Promise<void> {
  const { writer } = job;
  const { xattrs, devices } = job.options.leftOut ?? {};
  if (job.options.refuseAbsolute === true && [header.name, header.linkname].some(isAbsolute)) {
    if (header.type !== "symlink" || isAbsolute(header.name)) throw new ImageError("it names an absolute path");
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
      throw new ImageError("its type is unknown");
  }
}

function isAbsolute(name: string | null): boolean {
  return name?.startsWith("/") === true;
}

function leaveOut(job: Job, what: string): void {
  job.left.set(what, (job.left.get(what) ?? 0) + 1);
}
