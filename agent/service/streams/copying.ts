import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { posix } from "node:path";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { ByteBudget } from "../../../lib/archive/byte-budget.ts";
import { chooseDestination, type Placing } from "../../../lib/archive/choose-destination.ts";
import { bytesOf } from "../../../lib/archive/member.ts";
import { isDirectory, isFile, isLink, type TreeFiles } from "../../../lib/archive/tree-files.ts";
import { TreeSink } from "../../../lib/archive/tree-sink.ts";
import { TreeSource } from "../../../lib/archive/tree-source.ts";
import { isPlainPath } from "../../../lib/plain-path.ts";
import { codec, DecodeError, type Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { agentService } from "../../../proto/gen/services.js";
import { EnteredMounts } from "../../container/contained-tree.ts";
import { containerRoot } from "../../container/container-root.ts";
import { idMaps } from "../../container/id-maps.ts";
import { servedTree } from "../../container/served-tree.ts";
import { O_PATH, S_IFREG } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import { type ContainedFiles, type FileRoot, guestRoot, type Served } from "../../kernel/files/contained-files.ts";
import { findContainer } from "../find-container.ts";
import type { Agent } from "../rpc.ts";
import { CopyDeaths } from "./copy-deaths.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const MAX_PATH = 4095;
/** Most copies at once. */
const MAX_COPIES = 16;
/** How long an incomplete file waits for its client, ms, and most such files. */
const KEPT_MS = 120_000;
const MAX_KEPT = 64;
/** Memory for names that copies out of containers remember, of all copies together. */
const NAMES_BYTES = 16 << 20;
const LINKS_BYTES = 12 << 20;
/** Directories of the guest that the host may write to. Its other files are the agent's own. */
const WRITABLE = ["/run/kata-containers/shared/containers", "/tmp"];

const copyMessage = codec("guestd.v1.Copy", guestd.v1.Copy);

/** A copy that can begin: sends an archive, or takes one. */
export type Copy = {
  readonly ready: Init<guestd.v1.CopyReady>;
  /** Returns one line for each kind of thing that was left out so far. */
  notes(): string[];
  /** Throws if the policy denies the copy, now that it has changed. */
  checkAgain(): void;
  /** Closes what the copy has open. `isEnded`: its client does not continue it. */
  close(isEnded: boolean): Promise<void>;
} & (
  | { readonly archive: () => AsyncIterable<Buffer> }
  | { readonly extract: (source: AsyncIterable<Uint8Array>, onTaken: (position: number) => void) => Promise<void> }
);

type OpenedCopy = DistributiveOmit<Copy, "checkAgain">;
type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

/** Copies files between clients and the roots of containers, or that of the guest. */
export class Copying {
  readonly #agent: Agent;
  readonly #epoch: () => Uint8Array;
  /** Read at the first copy. */
  #deaths: CopyDeaths | undefined;
  /** Copies with an open connection, by id. */
  readonly #active = new Map<string, { end(): Promise<void> }>();
  readonly #room = { names: new ByteBudget(NAMES_BYTES), links: new ByteBudget(LINKS_BYTES) };
  /** Incomplete files that wait for their clients, by copy id. */
  readonly #kept = new Map<string, { sink: TreeSink; server: DisposableStack; timer: NodeJS.Timeout }>();

  constructor(agent: Agent, epoch: () => Uint8Array) {
    this.#agent = agent;
    this.#epoch = epoch;
  }

  /** Begins or continues a copy; `end` ends its connection, and resolves once it is closed. Rejects with AgentError. */
  async open(payload: Uint8Array, end: () => Promise<void>): Promise<Copy> {
    const request = decode(payload);
    this.#check(request);
    this.#checkPolicy(request);
    for (let active = this.#active.get(request.copy_id); active; active = this.#active.get(request.copy_id)) {
      await active.end();
    }
    if (this.#active.size >= MAX_COPIES) {
      throw new AgentError("resource-exhausted", `copy: ${MAX_COPIES} copies are running already; try again later`);
    }
    const active = { end };
    this.#active.set(request.copy_id, active);
    const release = () => {
      if (this.#active.get(request.copy_id) === active) this.#active.delete(request.copy_id);
    };
    try {
      const copy = request.in ? await this.#into(request) : await this.#outOf(request);
      return {
        ...copy,
        checkAgain: () => this.#checkPolicy(request),
        close: (isEnded) =>
          copy.close(isEnded).finally(() => {
            this.#deaths?.end(request.copy_id, isEnded);
            release();
          }),
      };
    } catch (error) {
      this.#deaths?.end(request.copy_id, true);
      release();
      throw copyError(request, error);
    }
  }

  /** Notes where a copy begins, so that it is refused once it has ended several agents there. */
  #begin({ copy_id, after, part }: guestd.v1.Copy, partBytes: number): void {
    const { kernel, stateDirectory } = this.#agent;
    this.#deaths ??= new CopyDeaths(`${stateDirectory}/copies.json`, kernel.files);
    const position = [latin1(after), part && [latin1(part.name), part.version, partBytes]];
    this.#deaths.begin(copy_id, createHash("sha256").update(JSON.stringify(position)).digest("hex"));
  }

  #check(request: guestd.v1.Copy): void {
    const { version, path, copy_id, epoch, name } = request;
    const refuse = (why: string) => new AgentError("invalid-argument", `copy: ${why}`);
    if (version < 1) throw refuse("the request has no version; set 1");
    if (epoch.length > 0 && !Buffer.from(epoch).equals(this.#epoch())) {
      throw new AgentError("not-found", "copy: the guest was started again since; copy again from the beginning");
    }
    if (!/^[\w-]{8,64}$/.test(copy_id)) throw refuse("copy_id must have 8 to 64 letters, digits and dashes");
    if (!isPlainPath(path) || Buffer.byteLength(path) > MAX_PATH) {
      const why = `is no absolute path of at most ${MAX_PATH} bytes without "." and ".." and empty parts`;
      throw refuse(`path ${JSON.stringify(path.slice(0, 200))} ${why}`);
    }
    if (name.length > 255 || name.includes(0) || name.includes(0x2f)) throw refuse("name is no file name");
    if (request.in && [".", ".."].includes(Buffer.from(name).toString("latin1"))) throw refuse("name is no file name");
  }

  /** Copy needs the permission for itself, and for the call of Kata's contract that moves bytes in the same direction. */
  #checkPolicy(request: guestd.v1.Copy): void {
    const { policy } = this.#agent;
    const { container_id } = request;
    const path = withoutEnd(request.path);
    policy.check("Copy", "CopyRequest", { ...request, path });
    if (request.in) {
      const { request: file } = agentService.CopyFile;
      policy.check("CopyFile", "CopyFileRequest", file.decode(file.encode({ path, file_mode: S_IFREG })));
    } else policy.check("ReadStdout", "ReadStreamRequest", { container_id, exec_id: "", len: 0 });
  }

  async #outOf(request: guestd.v1.Copy): Promise<OpenedCopy> {
    this.#begin(request, request.part?.bytes ?? 0);
    using place = this.#openPlace(request);
    const path = withoutEnd(request.path);
    const base = posix.basename(path);
    const isFollowed = request.follow || request.contents || base === "" || request.path.endsWith("/");
    const dir = isFollowed ? undefined : await place.open(posix.dirname(path), O_PATH | O_DIRECTORY);
    const fd =
      dir === undefined
        ? await place.open(path, O_PATH)
        : await place.files.openEntry(dir, bytesOfText(base), O_PATH | O_NOFOLLOW);
    const stat = await place.files.stat(fd);
    const identity = isDirectory(stat) ? `${stat.dev}:${stat.ino}` : "";
    if (request.place !== "" && identity !== request.place) throw replaced();
    const target = isLink(stat) && dir !== undefined ? await place.files.readLink(dir, bytesOfText(base)) : undefined;
    const name = bytesOfText(base === "" ? request.container_id || "guest" : base);
    const { part } = request;
    const source = new TreeSource(
      { fd, name: name.toString("latin1"), ...(target && { target }) },
      {
        files: place.files,
        ...this.#room,
        ...{ mapUid: place.ids.uid.toContainer, mapGid: place.ids.gid.toContainer },
        position: {
          after: latin1(request.after),
          part: part === null ? undefined : { name: latin1(part.name), bytes: part.bytes, version: part.version },
        },
      },
    );
    const server = place.move();
    const ready = {
      version: 1,
      epoch: this.#epoch(),
      place: identity,
      name,
      directory: isDirectory(stat),
      size: isFile(stat) ? Number(stat.size) : 0,
    };
    return {
      ready,
      notes: () => source.notes,
      close: async () => server.dispose(),
      archive: () => converted(request, source.archive()),
    };
  }

  async #into(request: guestd.v1.Copy): Promise<OpenedCopy> {
    using place = this.#openPlace(request);
    const { fd, placing, to } = await this.#chooseDirectory(request, place);
    const stat = await place.files.stat(fd);
    const identity = `${placing.where}:${stat.dev}:${stat.ino}`;
    if (request.place !== "" && identity !== request.place) throw replaced();
    const from = latin1(request.name);
    const { uid, gid } = place.ids;
    const sink = new TreeSink(
      { dir: fd, rename: from === "" ? undefined : { from, to, directory: request.directory } },
      {
        ...{ files: place.files, id: request.copy_id, keepPrivileges: request.keep_privileges },
        owners: request.keep_owners ? "keep" : { uid: uid.fromContainer(0), gid: gid.fromContainer(0) },
        ...{ mapUid: uid.fromContainer, mapGid: gid.fromContainer, onTaken: (position) => onTaken(position) },
      },
    );
    let onTaken: (position: number) => void = () => undefined;
    const part = request.part && { name: latin1(request.part.name), version: request.part.version };
    const kept = this.#takeKept(request.copy_id);
    await kept?.sink.leaveTo(part).finally(() => kept.server.dispose());
    const part_bytes = part === null ? 0 : await sink.partialBytes(part);
    try {
      this.#begin(request, part_bytes);
    } catch (error) {
      await sink.close();
      await sink.discard();
      throw error;
    }
    const server = place.move();
    return {
      ready: { version: 1, epoch: this.#epoch(), place: identity, part_bytes },
      notes: () => sink.notes,
      close: async (isEnded) => {
        await sink.close();
        if (isEnded) await sink.discard();
        if (isEnded || !sink.isIncomplete) server.dispose();
        else this.#keep(request.copy_id, sink, server);
      },
      async extract(source, taken) {
        onTaken = taken;
        try {
          await sink.extract(source);
        } catch (error) {
          throw copyError(request, error);
        }
      },
    };
  }

  /** Opens the directory that the archive's first name goes to. */
  async #chooseDirectory(request: guestd.v1.Copy, place: Place) {
    const path = withoutEnd(request.path);
    const found = await place.open(path, O_PATH).catch((error: unknown) => {
      if (error instanceof SystemError && error.code === "ENOENT") return undefined;
      throw error;
    });
    const isFolder = found !== undefined && isDirectory(await place.files.stat(found));
    const { directory, contents } = request;
    const name = latin1(request.name);
    const existing = found === undefined ? undefined : isFolder ? "directory" : "file";
    // A copy that continues goes where it began: the directory did not exist then, perhaps.
    const placing: Placing = request.place.startsWith("as:")
      ? { where: "as" }
      : chooseDestination({ path: request.path, found: existing, directory, contents, name });
    const fd =
      placing.where === "into" && found !== undefined
        ? found
        : await place.open(posix.dirname(path), O_PATH | O_DIRECTORY);
    const to = placing.where === "into" ? placing.as : bytesOfText(posix.basename(path)).toString("latin1");
    if (request.container_id === "") await place.checkWritable(fd);
    return { fd, placing, to };
  }

  #openPlace(request: guestd.v1.Copy): Place {
    const { contained, sys } = this.#agent.kernel;
    if (request.container_id === "") return new Place(contained, guestRoot(""), "self");
    const { id, init, spec } = findContainer(this.#agent, request.container_id, "not-found");
    if (init.status === undefined) return new Place(contained, containerRoot(sys, id, init), init.pid);
    // Its mount namespace is gone; what was mounted in it too.
    return new Place(contained, { container: id, path: spec.root.path }, "self");
  }

  /** Keeps an incomplete file, and the server that has it open. */
  #keep(id: string, sink: TreeSink, server: DisposableStack): void {
    const timer = setTimeout(() => void this.#discardKept(id), KEPT_MS).unref();
    this.#kept.set(id, { sink, server, timer });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) void this.#discardKept(oldest);
  }

  async #discardKept(id: string): Promise<void> {
    const kept = this.#takeKept(id);
    await kept?.sink.discard().finally(() => kept.server.dispose());
  }

  #takeKept(id: string) {
    const kept = this.#kept.get(id);
    clearTimeout(kept?.timer);
    this.#kept.delete(id);
    return kept;
  }
}

/** A root, and what the copy's own server has open below it; disposing ends the server. */
class Place implements Disposable {
  readonly files: TreeFiles;
  readonly ids: ReturnType<typeof idMaps>;
  readonly #served: Served;
  readonly #mounts: EnteredMounts;
  readonly #opened = new DisposableStack();

  /** `pid` is a process that has the root's mounts. */
  constructor(contained: ContainedFiles, root: FileRoot, pid: number | "self") {
    this.ids = idMaps(pid);
    this.#served = this.#opened.use(contained.open(root)).files;
    this.#mounts = new EnteredMounts(this.#served, pid);
    this.files = servedTree(this.#served, this.#mounts);
  }

  /** Opens a path as a process with this root would; the last name is followed too. */
  async open(path: string, flags: number): Promise<number> {
    return (await this.#mounts.openPath(path, flags)).handle;
  }

  /** Throws unless the host may write to a directory of the guest. */
  async checkWritable(dir: number): Promise<void> {
    const path = await this.#served.path(dir);
    if (WRITABLE.some((root) => path === root || path.startsWith(`${root}/`))) return;
    const line = `${path} is not writable for hosts; copy to a place below ${WRITABLE.join(" or ")}`;
    throw new ArchiveError("permission-denied", line);
  }

  /** Passes the ownership of the server. */
  move(): DisposableStack {
    return this.#opened.move();
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}

function decode(payload: Uint8Array): guestd.v1.Copy {
  try {
    return copyMessage.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

const replaced = () =>
  new ArchiveError("failed-precondition", "the directory was replaced while the connection was lost; copy again");

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const bytesOfText = (text: string): Buffer => bytesOf(Buffer.from(text).toString("latin1"));

/** Returns a path without the slash at its end. */
function withoutEnd(path: string): string {
  return path.replace(/(?<=.)\/$/, "");
}

async function* converted(request: guestd.v1.Copy, archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* archive;
  } catch (error) {
    throw copyError(request, error);
  }
}

/** Turns a failure into one line that names the copy. */
function copyError(request: guestd.v1.Copy, error: unknown): unknown {
  const container = request.container_id === "" ? "the guest" : `container ${request.container_id.slice(0, 80)}`;
  const what = `copy ${request.in ? "into" : "out of"} ${container}`;
  if (error instanceof ArchiveError) return new AgentError(error.kind, `${what}: ${error.message}`, { cause: error });
  if (!(error instanceof SystemError)) return error;
  const kind = error.code === "ENOENT" ? "not-found" : error.code === "EXDEV" ? "failed-precondition" : "internal";
  const { text } = { text: error.message.replace(/^.*?: /, "") };
  return new AgentError(kind, `${what}: ${request.path.slice(0, 200)}: ${text}`, { cause: error });
}
