import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { tarEntries } from "../../../lib/archive/tar-entries.ts";
import { removeTree } from "../../../lib/remove-tree.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { copyOutAsTar } from "../../client/streams/copy-out.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { isNumeric } from "../container/exec-spec.ts";
import { rootfsOf } from "../container/rootfs-kind.ts";
import type { ContainerTarget } from "./guest-target.ts";
import { streamsPlace } from "./streams-place.ts";

const USER_FILES = ["passwd", "group"];
/** Bytes of a file that are taken, and of its archive; longer ones count as missing, as for `imageUser`. */
const MAX_BYTES = 1 << 20;
const MAX_ARCHIVE = MAX_BYTES + 16_384;

/** True if a user has a name, which the host has to look up in a container whose root is on a disk of its guest. */
function hasUsersInside({ guest, record }: ContainerTarget, user: string): boolean {
  return !isNumeric(user) && guest !== undefined && record !== undefined && rootfsOf(guest) === "block";
}

/**
 * Returns the target with the users that the container has now, if its root is on a disk of the guest and the user has a
 * name: the host sees only what the image had. Disposal removes the copies.
 */
export async function withUsersOf(
  target: ContainerTarget,
  user: string | undefined,
): Promise<{ readonly target: ContainerTarget } & AsyncDisposable> {
  const { record } = target;
  if (record === undefined || !hasUsersInside(target, user ?? record.user)) {
    return { target, [Symbol.asyncDispose]: async () => undefined };
  }
  await using undo = new AsyncDisposableStack();
  const rootfs = makeTemporaryFolder("guestd-users-");
  undo.defer(() => removeTree(rootfs));
  mkdirSync(join(rootfs, "etc"), { mode: 0o700 });
  for (const name of USER_FILES) {
    const content = await readFile(target, `/etc/${name}`);
    if (content !== undefined) writeFileSync(join(rootfs, "etc", name), content, { mode: 0o600 });
  }
  const kept = undo.move();
  return { target: { ...target, record: { ...record, rootfs } }, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Returns a regular file of a container; undefined if it doesn't exist, is too long or is no file. */
async function readFile(target: ContainerTarget, path: string): Promise<Buffer | undefined> {
  const { address, ...options } = streamsPlace(target);
  const archive: Buffer[] = [];
  let size = 0;
  const take = async (bytes: Uint8Array) => {
    size += bytes.length;
    if (size > MAX_ARCHIVE) throw new TooLong();
    archive.push(Buffer.from(bytes));
  };
  try {
    await copyOutAsTar(address, { container: target.container, path }, take, { ...options, follow: true });
  } catch (error) {
    const isNoFile = error instanceof TooLong || error instanceof ArchiveError;
    // The agent refuses to copy a pipe, socket or device as an argument.
    const isRefused = error instanceof RpcError && ["not-found", "invalid-argument"].includes(error.kind);
    if (isNoFile || isRefused) return undefined;
    throw error;
  }
  for await (const { header, content } of tarEntries(Readable.from(archive))) {
    if (header.type !== "file") return undefined;
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(part);
    return Buffer.concat(parts);
  }
  return undefined;
}

class TooLong extends Error {}
