import { CollectedBytes } from "../../../lib/collected-bytes.ts";
import type { CallLimits } from "../call/limits.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import type { CopyOptions, CopyReport, FileDriver, FileInfo, WriteMode } from "./file-driver.ts";
import { type FileChange, watchFolder } from "./watch-folder.ts";

/** Content to write: text, bytes, or what yields them. */
export type FileData = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** Options of `files.write`. */
export interface WriteOptions extends CallLimits {
  readonly how?: WriteMode;
  /** Permissions of a new file. Default: 0o644. */
  readonly mode?: number;
}

/** Options of `files.watch`. */
export interface WatchOptions extends CallLimits {
  /** Milliseconds between two looks at the directory: shorter changes are missed. Default: 500. */
  readonly intervalMs?: number;
}

/** Calls work and loops over items with limits, and explains their failures. */
export interface Caller {
  /** `method` names the span. */
  call<T>(method: string, what: string, limits: CallLimits, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  items<T>(what: string, limits: CallLimits, items: (signal: AbortSignal) => AsyncIterable<T>): AsyncIterable<T>;
}

const MAX_READ_BYTES = 64 << 20;
const NEW_FILE = 0o644;
const NEW_DIRECTORY = 0o755;

/**
 * Files of a sandbox. Paths are absolute, or relative to the home of its user, whose rights count. Single files are read
 * and changed by programs of the container (sh, cat, stat); upload and download need nothing in it.
 */
export class Files {
  readonly #driver: FileDriver;
  readonly #caller: Caller;

  /** @internal */
  constructor(driver: FileDriver, caller: Caller) {
    this.#driver = driver;
    this.#caller = caller;
  }

  /** Returns a file's content as bytes, or as text with `encoding: "utf8"`. Refuses more than `maxBytes`, by default 64 MiB. */
  read(path: string, options: CallLimits & { readonly encoding: "utf8"; readonly maxBytes?: number }): Promise<string>;
  read(path: string, options?: CallLimits & { readonly maxBytes?: number }): Promise<Uint8Array>;
  read(
    path: string,
    options: CallLimits & { readonly encoding?: "utf8"; readonly maxBytes?: number } = {},
  ): Promise<string | Uint8Array> {
    const { encoding, maxBytes = MAX_READ_BYTES } = options;
    const what = `read file ${path}`;
    return this.#caller.call("read", what, options, async (signal) => {
      const read = new CollectedBytes();
      for await (const chunk of this.#driver.read(path, signal)) {
        if (read.length + chunk.length > maxBytes)
          throw sandboxError("limit", `${what}: it has more than ${maxBytes} bytes: stream it, or raise maxBytes`);
        read.add(chunk);
      }
      const content = read.take();
      return encoding === "utf8" ? content.toString("utf8") : content;
    });
  }

  /** Yields a file's content as it is read. Back-pressure reaches the container. */
  stream(path: string, limits: CallLimits = {}): AsyncIterable<Uint8Array> {
    return this.#caller.items(`stream file ${path}`, limits, (signal) => this.#driver.read(path, signal));
  }

  /** Writes a file; its directory must exist. */
  write(path: string, data: FileData, options: WriteOptions = {}): Promise<void> {
    const { how = "truncate", mode = NEW_FILE } = options;
    return this.#caller.call("write", `write file ${path}`, options, (signal) => {
      return this.#driver.write(path, bytesOf(data), { how, mode }, signal);
    });
  }

  /** Returns what is in a directory, in no certain order. */
  list(path: string, limits: CallLimits = {}): Promise<readonly FileInfo[]> {
    return this.#caller.call("list", `list directory ${path}`, limits, (signal) => this.#driver.list(path, signal));
  }

  /** Returns a file's attributes; those of a link itself with `follow: false`. */
  stat(path: string, options: CallLimits & { readonly follow?: boolean } = {}): Promise<FileInfo> {
    return this.#caller.call("stat", `stat ${path}`, options, (signal) =>
      this.#driver.stat(path, options.follow ?? true, signal),
    );
  }

  /** True if a file of any type has the path. */
  async exists(path: string, limits: CallLimits = {}): Promise<boolean> {
    try {
      await this.stat(path, { ...limits, follow: false });
      return true;
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === "not-found") return false;
      throw error;
    }
  }

  /** Creates a directory; with `parents`, also those above it, and one that exists is no error. */
  mkdir(
    path: string,
    options: CallLimits & { readonly mode?: number; readonly parents?: boolean } = {},
  ): Promise<void> {
    const { mode = NEW_DIRECTORY, parents = false } = options;
    return this.#caller.call("mkdir", `mkdir ${path}`, options, (signal) =>
      this.#driver.mkdir(path, { mode, parents }, signal),
    );
  }

  /** Renames a file or directory. Refuses with `already-exists` to replace another. */
  rename(from: string, to: string, limits: CallLimits = {}): Promise<void> {
    return this.#caller.call("rename", `rename ${from} to ${to}`, limits, (signal) =>
      this.#driver.rename(from, to, signal),
    );
  }

  /** Removes a file, or with `recursive` a directory and everything in it. */
  remove(path: string, options: CallLimits & { readonly recursive?: boolean } = {}): Promise<void> {
    const { recursive = false } = options;
    return this.#caller.call("remove", `remove ${path}`, options, (signal) =>
      this.#driver.remove(path, { recursive }, signal),
    );
  }

  /** Yields the changes in a directory from now on, without those in its subdirectories, until the limits or the loop's end. */
  watch(path: string, options: WatchOptions = {}): AsyncIterable<FileChange> {
    return this.#caller.items(`watch directory ${path}`, options, (signal) => {
      return watchFolder((abort) => this.#driver.list(path, abort), options.intervalMs, signal);
    });
  }

  /** Copies a file or directory of this machine into the sandbox, by the rules of `docker cp`. */
  upload(local: string, path: string, options: CallLimits & CopyOptions = {}): Promise<CopyReport> {
    return this.#caller.call("upload", `upload ${local} to ${path}`, options, (signal) =>
      this.#driver.upload(local, path, options, signal),
    );
  }

  /** Copies a file or directory out of the sandbox to this machine, by the same rules. */
  download(path: string, local: string, options: CallLimits & CopyOptions = {}): Promise<CopyReport> {
    return this.#caller.call("download", `download ${path} to ${local}`, options, (signal) =>
      this.#driver.download(path, local, options, signal),
    );
  }
}

/** Yields data as bytes. */
export async function* bytesOf(data: FileData): AsyncGenerator<Uint8Array> {
  const bytes = (piece: string | Uint8Array) => (typeof piece === "string" ? Buffer.from(piece) : piece);
  if (typeof data === "string" || data instanceof Uint8Array) yield bytes(data);
  else for await (const piece of data) yield bytes(piece);
}
