import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { posix } from "node:path";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { ByteBudget } from "../../../lib/archive/byte-budget.ts";
import { chooseDestination, type Placing } from "../../../lib/archive/choose-destination.ts";
import { bytesOf } from "../../../lib/archive/member.ts";
import { isDirectory, isFile, isLink } from "../../../lib/archive/tree-files.ts";
import { TreeSink } from "../../../lib/archive/tree-sink.ts";
import { TreeSource } from "../../../lib/archive/tree-source.ts";
import type { Init } from "../../../proto/codec.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { agentService } from "../../../proto/gen/services.js";
import { containerRoot } from "../../container/container-root.ts";
import { O_PATH, S_IFREG } from "../../kernel/constants.ts";
import { AgentError, SystemError } from "../../kernel/error.ts";
import { guestRoot } from "../../kernel/files/contained-files.ts";
import { findContainer } from "../find-container.ts";
import type { Agent } from "../rpc.ts";
import { CopyDeaths } from "./copy-deaths.ts";
import { CopyPlace } from "./copy-place.ts";
import { copyError, decodeCopy } from "./copy-request.ts";
import { KeptCopies } from "./kept-copies.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Most copies at once. */
const MAX_COPIES = 16;
/** Memory for names that copies out of containers remember, of all copies together. */
const NAMES_BYTES = 16 << 20;
const LINKS_BYTES = 12 << 20;

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
  readonly #kept = new KeptCopies();

  constructor(agent: Agent, epoch: () => Uint8Array) {
    this.#agent = agent;
    this.#epoch = epoch;
  }

  /** Begins or continues a copy; `end` ends its connection, and resolves once it is closed. Rejects with AgentError. */
  async open(payload: Uint8Array, end: () => Promise<void>): Promise<Copy> {
    const request = decodeCopy(payload, this.#epoch());
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
    const kept = this.#kept.take(request.copy_id);
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
        else this.#kept.keep(request.copy_id, { sink, server });
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
  async #chooseDirectory(request: guestd.v1.Copy, place: CopyPlace) {
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

  #openPlace(request: guestd.v1.Copy): CopyPlace {
    const { contained, sys } = this.#agent.kernel;
    if (request.container_id === "") return new CopyPlace(contained, guestRoot(""), "self");
    const { id, init, spec } = findContainer(this.#agent, request.container_id, "not-found");
    if (init.status === undefined) return new CopyPlace(contained, containerRoot(sys, id, init), init.pid);
    // Its mount namespace is gone; what was mounted in it too.
    return new CopyPlace(contained, { container: id, path: spec.root.path }, "self");
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
