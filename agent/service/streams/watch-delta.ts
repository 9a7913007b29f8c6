import { codec, type Init } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import type { Snapshot } from "./guest-state.ts";

const update = codec("guestd.v1.WatchUpdate", guestd.v1.WatchUpdate);

/** Most containers, processes and forwards of one part: with the longest ids it has less than 64 KiB. */
const PART_ENTRIES = 64;
/** Most removed ones of one part. */
const PART_REMOVED = 256;

type Update = Init<guestd.v1.WatchUpdate>;
type Fields = Snapshot["guest"]["fields"];

/**
 * Returns the encoded parts of the update from one state to the next, or of the whole state if `before` is undefined. Empty if
 * nothing has changed.
 */
export function watchDelta(before: Snapshot | undefined, now: Snapshot): Uint8Array[] {
  const parts: Update[] = [];
  const guest = changedUsage(before?.guest, now.guest);
  if (guest !== undefined || before === undefined) parts.push({ guest: guest ?? {} });
  const containers = [...now.containers].flatMap(([id, each]) => {
    const changes = changedUsage(before?.containers.get(id), each);
    return changes === undefined ? [] : [{ id, ...changes }];
  });
  const processes = changedOf(before?.processes, now.processes);
  const forwards = changedOf(before?.forwards, now.forwards);
  for (const some of inPieces(containers, PART_ENTRIES)) parts.push({ containers: some });
  for (const some of inPieces(processes, PART_ENTRIES)) parts.push({ processes: some });
  for (const some of inPieces(forwards, PART_ENTRIES)) parts.push({ forwards: some });
  const removed = removedOf(before?.containers, now.containers);
  for (const some of inPieces(removed, PART_REMOVED)) parts.push({ removed_containers: some });
  const ended = removedOf(before?.processes, now.processes);
  for (const some of inPieces(ended, PART_REMOVED)) parts.push({ removed_processes: some });
  const closed = removedOf(before?.forwards, now.forwards);
  for (const some of inPieces(closed, PART_REMOVED)) parts.push({ removed_forwards: some });
  return joined(parts).map((part, at, all) => {
    const place = { whole: before === undefined && at === 0, more: at + 1 < all.length, micros: now.micros };
    return update.encode({ ...part, ...place });
  });
}

/** Returns an update that only says that nothing has changed. */
export function unchanged({ micros }: Snapshot): Uint8Array {
  return update.encode({ micros });
}

/** Joins parts that are small together: an ordinary update is one frame. */
function joined(parts: readonly Update[]): Update[] {
  const [all, few] = [parts.flatMap(entriesOf), parts.length];
  return few > 1 && all.length <= PART_ENTRIES ? [Object.assign({}, ...parts) as Update] : [...parts];
}

function entriesOf({ guest: _, ...lists }: Update): readonly unknown[] {
  return Object.values(lists).flat();
}

function changedUsage(before: Snapshot["guest"] | undefined, now: Snapshot["guest"]) {
  if (before === now) return undefined;
  const [fields, usage] = [changed(before?.fields, now.fields), changed(before?.usage, now.usage)];
  if (fields === undefined && usage === undefined) return undefined;
  return { ...fields, ...(usage && { usage }) };
}

function changedOf<Id>(before: ReadonlyMap<Id, Fields> | undefined, now: ReadonlyMap<Id, Fields>) {
  return [...now].flatMap(([id, fields]) => {
    const changes = changed(before?.get(id), fields);
    return changes === undefined ? [] : [{ ...changes, id }];
  });
}

function removedOf<Id>(before: ReadonlyMap<Id, unknown> | undefined, now: ReadonlyMap<Id, unknown>): Id[] {
  return [...(before?.keys() ?? [])].filter((id) => !now.has(id));
}

/** Returns the fields that differ; undefined if none does. A field that is gone keeps its last value. */
function changed(before: Fields | undefined, now: Fields): Fields | undefined {
  if (before === undefined) return now;
  if (before === now) return undefined;
  let changes: Record<string, number | string | undefined> | undefined;
  for (const name in now) {
    if (now[name] === before[name] || now[name] === undefined) continue;
    changes ??= {};
    changes[name] = now[name];
  }
  return changes;
}

function* inPieces<T>(all: readonly T[], size: number): Iterable<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}
