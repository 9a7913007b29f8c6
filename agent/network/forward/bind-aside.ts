import { S_IFMT, S_IFSOCK } from "../../kernel/constants.ts";
import { SystemError } from "../../kernel/error.ts";
import type { Served } from "../../kernel/files/contained-files.ts";
import type { FileAttributes } from "../../kernel/files/file-protocol.ts";
import type { Handle } from "../../kernel/files/served-files.ts";
import { randomBytes } from "../../kernel/random-bytes.ts";

const SOCKET = Buffer.from("socket");
const EADDRINUSE = 98;
/** A process that keeps creating files of the name ends the attempts. */
const MAX_ATTEMPTS = 8;

/** A socket file that is complete, but not in its place yet. */
export interface BoundAside {
  readonly attributes: FileAttributes;
  /**
   * Moves it to a name in the directory, instead of a socket for which `isStale` resolves with true. Fails with EADDRINUSE if
   * the name is taken.
   */
  moveTo(name: Buffer, isStale: (file: Handle) => Promise<boolean>): Promise<void>;
}

/**
 * Binds a socket in a new directory that only root can enter, and gives its file to its user there: whoever can write to `dir`
 * can move that directory, but not what is in it. Removes it again if anything fails.
 */
export async function bindAside(
  files: Served,
  socket: number,
  dir: Handle,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): Promise<BoundAside> {
  const aside = Buffer.from(`.guestd-${randomBytes(12).toString("hex")}`);
  await files.mkdir(dir, aside, 0o700);
  const cleanUp = async (opened?: Handle) => {
    if (opened !== undefined) await files.unlink(opened, SOCKET).catch(() => undefined);
    if (opened !== undefined) files.close(opened);
    await files.unlink(dir, aside, true).catch(() => undefined);
  };
  let opened: Handle | undefined;
  try {
    const { handle, attributes: own } = await files.entry(dir, aside);
    opened = handle;
    // Another directory has been put in its place. Set-group-id is inherited.
    if (own.uid !== 0n || (own.mode & 0o777n) !== 0o700n) throw new SystemError("bind", EADDRINUSE, "");
    await files.bind(socket, handle, SOCKET);
    const attributes = await files.using(files.entry(handle, SOCKET), async (file, found) => {
      if (!isSocket(found.mode) || found.nlink !== 1n) throw new SystemError("bind", EADDRINUSE, "");
      await files.chown(file, uid, gid);
      return found;
    });
    return {
      attributes,
      async moveTo(name, isStale) {
        try {
          await move(files, handle, dir, name, isStale);
        } finally {
          await cleanUp(handle);
        }
      },
    };
  } catch (error) {
    await cleanUp(opened);
    throw error;
  }
}

async function move(
  files: Served,
  aside: Handle,
  dir: Handle,
  name: Buffer,
  isStale: (file: Handle) => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    try {
      return await files.rename(aside, SOCKET, dir, name, false);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EEXIST")) throw error;
    }
    const stale = await files.using(files.entry(dir, name), async (file, { mode }) => isSocket(mode) && isStale(file));
    if (!stale) break;
    await files.unlink(dir, name);
  }
  throw new SystemError("bind", EADDRINUSE, name.toString());
}

/** Removes a socket file if it still is the given one. */
export async function removeSocket(files: Served, dir: Handle, name: Buffer, file: FileAttributes): Promise<void> {
  const isSame = await files.using(
    files.entry(dir, name),
    async (_, { dev, ino }) => dev === file.dev && ino === file.ino,
  );
  if (isSame) await files.unlink(dir, name);
}

const isSocket = (mode: bigint) => (Number(mode) & S_IFMT) === S_IFSOCK;
