import { randomUUID } from "node:crypto";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import type { Rename } from "../../../lib/archive/destination-names.ts";
import { bytesOf, type Member } from "../../../lib/archive/member.ts";
import { TarWriter } from "../../../lib/archive/tar-writer.ts";
import { TreeSink } from "../../../lib/archive/tree-sink.ts";
import { isRoot } from "../../../lib/is-root.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { RpcError } from "../rpc-error.ts";
import { CopyLink, notesOf } from "./copy-link.ts";
import {
  type CopyOptions,
  type CopyPlace,
  type CopyReport,
  hasContentsMark,
  isDirectoryPath,
  nameOf,
  requestedPath,
} from "./copy-options.ts";
import { CopyProgress } from "./copy-progress.ts";
import { currentUmask } from "./current-umask.ts";
import { hostTree, openDestination } from "./host-tree.ts";

/** Takes the archives of all connections of a copy, each of which continues the one before. */
interface Receiver {
  extract(source: AsyncIterable<Uint8Array>): Promise<void>;
  readonly notes: readonly string[];
}

/** Called by a receiver as it gets on. */
interface ReceiverEvents {
  onTaken(position: number): void;
  onMember(member: Member): void;
  onPart(member: Member, bytes: number): void;
}

/**
 * Copies out of a container to the host, by docker's rules for the destination. Continues over disconnections. Extracts
 * with care: the guest is not trusted, and has no say in the name of what is written. Throws RpcError, or ArchiveError
 * of this side.
 */
export async function copyOut(
  address: string,
  place: CopyPlace,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const { keepOwners = false, keepPrivileges = false } = options;
  const [contents, id] = [hasContentsMark(place.path), randomUUID()];
  using opened = new DisposableStack();
  await using sinks = new AsyncDisposableStack();
  const owners = keepOwners && isRoot() ? "keep" : "mine";
  const umask = keepOwners ? 0 : currentUmask();
  const open = ({ from, to, directory }: Rename, events: ReceiverEvents) => {
    const root = openDestination(destination, from, { name: to, directory, contents }, opened);
    const sink = new TreeSink(root, { files: hostTree(), id, keepPrivileges, owners, umask, ...events });
    sinks.defer(async () => {
      await sink.close();
      await sink.discard();
    });
    return sink;
  };
  const report = await receive(address, { ...place, id, contents }, open, true, options);
  if (!keepOwners || isRoot()) return report;
  return { ...report, notes: [...report.notes, "owners: all files are yours, as only root can set them"] };
}

/**
 * Copies out of a container as a tar archive, whose bytes `write` takes, over disconnections too. `isBare` leaves the source's
 * own name out of the members'. Throws RpcError.
 */
export function copyOutAsTar(
  address: string,
  place: CopyPlace,
  write: (bytes: Uint8Array) => Promise<void>,
  { isBare = false, ...options }: CopyOptions & { readonly isBare?: boolean } = {},
): Promise<CopyReport> {
  const request = { ...place, id: randomUUID(), contents: hasContentsMark(place.path) };
  const open = (rename: Rename, events: ReceiverEvents) =>
    new TarWriter({ write, rename: isBare ? { ...rename, to: "" } : rename, ...events });
  return receive(address, request, open, false, options);
}

async function receive(
  address: string,
  { container, path, id, contents }: CopyPlace & { readonly id: string; readonly contents: boolean },
  open: (rename: Rename, events: ReceiverEvents) => Receiver,
  continuesFiles: boolean,
  options: CopyOptions,
): Promise<CopyReport> {
  const progress = new CopyProgress(options);
  const request = {
    container_id: container,
    copy_id: id,
    path: requestedPath(path),
    follow: options.follow ?? false,
    contents,
  };
  let [link, first, receiver]: [CopyLink?, guestd.v1.CopyReady?, Receiver?] = [];
  let [after, part]: [string, { member: Member; bytes: number }?] = [""];
  const events: ReceiverEvents = {
    // A member's last block may not be whole yet.
    onTaken: (position) => link?.connection.send("copyAck", Math.min(position, link.received)),
    onMember(member) {
      [after, part] = [member.name, undefined];
      progress.setMembers(progress.members + 1);
    },
    onPart(member, bytes) {
      if (bytes > (part?.bytes ?? member.from)) progress.addBytes(bytes - (part?.bytes ?? member.from));
      part = { member, bytes };
    },
  };
  const notes = await progress.untilDone(async () => {
    const { name, version } = part?.member ?? { name: "", version: "" };
    const known = continuesFiles && part ? { name: bytesOf(name), bytes: part.bytes, version } : null;
    const again = first && { epoch: first.epoch, place: first.place, after: bytesOf(after), part: known };
    using opening = await CopyLink.open(address, { ...request, ...again }, options);
    link = opening;
    progress.reconnects.answered();
    first ??= opening.ready;
    progress.total = opening.ready.size || undefined;
    receiver ??= open(renameOf({ container, path }, opening.ready), events);
    let notes: readonly string[] = [];
    await receiver.extract(received(opening, (ended) => (notes = ended)));
    return [...notes, ...receiver.notes];
  });
  return { members: progress.members, notes };
}

function renameOf(place: CopyPlace, { name, directory }: guestd.v1.CopyReady): Rename {
  if (!directory && isDirectoryPath(place.path))
    throw new ArchiveError("failed-precondition", `${place.path}: it is no directory; name the file without a slash`);
  const from = Buffer.from(name).toString("latin1");
  return { from, to: Buffer.from(nameOf(place)).toString("latin1"), directory };
}

async function* received(link: CopyLink, onEnd: (notes: readonly string[]) => void): AsyncGenerator<Uint8Array> {
  for await (const frame of link.frames) {
    if (frame.offset !== link.received || (frame.type !== "copyData" && frame.type !== "copyEnd")) {
      const line = `copy: the agent sent ${frame.type} at ${frame.offset}, not at ${link.received}`;
      throw new RpcError("internal", line);
    }
    if (frame.type === "copyEnd") return onEnd(notesOf(frame));
    link.received += frame.payload.length;
    yield frame.payload;
  }
}
