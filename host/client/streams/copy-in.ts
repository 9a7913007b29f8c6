import { randomUUID } from "node:crypto";
import { collected } from "../../../lib/archive/collected-archive.ts";
import { bytesOf } from "../../../lib/archive/member.ts";
import { inPieces, SendWindow } from "../../../lib/archive/send-window.ts";
import { TreeSource } from "../../../lib/archive/tree-source.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { requests } from "../edge/stream-messages.ts";
import { isPassing, RpcError } from "../rpc-error.ts";
import { CopyLink, notesOf } from "./copy-link.ts";
import { type CopyOptions, type CopyPlace, type CopyReport, hasContentsMark, requestedPath } from "./copy-options.ts";
import { CopyProgress } from "./copy-progress.ts";
import { hostTree, openSource } from "./host-tree.ts";
import { SentMembers } from "./sent-members.ts";

/**
 * Copies into a container, by docker's rules for the destination. Continues over disconnections. Throws RpcError, or
 * ArchiveError of this side.
 */
export async function copyIn(
  address: string,
  source: string,
  place: CopyPlace,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const progress = new CopyProgress(options);
  using opened = new DisposableStack();
  const root = openSource(source, options.follow ?? false, opened);
  const request = {
    ...requestOf(place, options),
    name: bytesOf(root.name),
    directory: root.isDirectory,
    contents: hasContentsMark(source),
  };
  progress.total = root.size;
  let last = new SentMembers();
  let first: guestd.v1.CopyReady | undefined;
  const notes = await progress.untilDone(async () => {
    const { after, next } = last;
    const part = next && { name: bytesOf(next.name), version: next.version };
    const again = first && { epoch: first.epoch, place: first.place, after: bytesOf(after), part };
    using link = await CopyLink.open(address, { ...request, ...again }, options);
    progress.reconnects.answered();
    first ??= link.ready;
    const position = { after, part: next && { ...next, bytes: link.ready.part_bytes } };
    const sent = last.continued();
    last = sent;
    const tree = new TreeSource(root, { files: hostTree(), position, onMember: (member) => sent.add(member) });
    const notes = await send(link, sent.counted(tree.archive()), (offset, bytes) => {
      progress.addBytes(bytes);
      progress.setMembers(sent.acknowledge(offset));
    });
    return [...tree.notes, ...notes];
  });
  progress.setMembers(last.all);
  return { members: progress.members, notes };
}

/**
 * Extracts a tar archive into a directory of a container. It can't be read twice, so a disconnection ends the copy. Throws
 * RpcError, or ArchiveError for a damaged archive.
 */
export async function copyTarIn(
  address: string,
  archive: AsyncIterable<Uint8Array>,
  place: CopyPlace,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const progress = new CopyProgress(options);
  const { bytes, notes, members } = collected(archive);
  try {
    using link = await CopyLink.open(address, requestOf(place, options), options);
    const found = await send(link, bytes, (_, count) => progress.addBytes(count));
    return { members: members(), notes: [...notes(), ...found] };
  } catch (error) {
    options.signal?.throwIfAborted();
    const { message } = progress.reconnects.lost(error);
    throw new RpcError("cut", progress.cutAt(`${message}; an archive can't be read twice`));
  }
}

function requestOf({ container, path }: CopyPlace, { keepOwners = false, keepPrivileges = false }: CopyOptions) {
  const kept = { keep_owners: keepOwners, keep_privileges: keepPrivileges };
  return { container_id: container, copy_id: randomUUID(), in: true, path: requestedPath(path), ...kept };
}

/** Sends an archive over one connection; resolves with the agent's notes once it has all of it. */
async function send(
  { connection, frames }: CopyLink,
  archive: AsyncIterable<Buffer>,
  onTaken: (offset: number, bytes: number) => void,
): Promise<readonly string[]> {
  const window = new SendWindow();
  const sending = (async () => {
    for await (const piece of inPieces(archive)) {
      await window.room(piece.length, connection.signal);
      const at = window.sent;
      window.sent += piece.length;
      connection.send("copyData", at, piece);
      await connection.drained();
    }
    connection.send("copyEnd", window.sent, requests.copyEnd.encode({ version: 1 }));
  })();
  const answering = (async () => {
    for (;;) {
      const { value: frame } = await frames.next();
      if (frame.type === "copyEnd") return notesOf(frame);
      const before = window.acknowledged;
      if (frame.type !== "copyAck" || !window.acknowledge(frame.offset)) {
        throw new RpcError("internal", `copy: the agent sent ${frame.type} at ${frame.offset}`);
      }
      onTaken(frame.offset, frame.offset - before);
    }
  })();
  // Once the connection is lost, only its other side knows why.
  const sent = sending.then(
    () => answering,
    (error: unknown) => (isPassing(error) ? answering : Promise.reject(error)),
  );
  answering.catch(() => undefined);
  return await Promise.race([sent, answering]);
}
