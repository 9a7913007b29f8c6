import { constants } from "node:fs";
import { type FileHandle, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { O_PATH } from "../../agent/kernel/constants.ts";
import type { AgentClient } from "./agent-client.ts";
import { RpcError } from "./rpc-error.ts";

/** Chunk size of Kata's hosts; a message holds at most 4 MiB. */
const CHUNK_BYTES = 1024 * 1024;
/** Mode of parent directories that the guest has to create. */
const DIRECTORY_MODE = 0o755;
/** Number of attempts for a file whose transfer an agent restart interrupts. */
const MAX_TRIES = 3;

export interface SendOptions {
  /** Owner of all files sent; by default each keeps its own. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly signal?: AbortSignal;
}

/**
 * Sends a file, a link or a whole directory to `path` in the guest with CopyFile, which accepts only paths below
 * /run/kata-containers/shared/containers. Never follows links, even if the source changes meanwhile. Throws RpcError,
 * Node's errors, or an Error for any other type of file.
 */
export async function sendFiles(
  client: AgentClient,
  source: string,
  path: string,
  options: SendOptions = {},
): Promise<void> {
  await sendEntry(client, { source, place: source }, path, options);
}

/**
 * Location of an entry: `source` for messages, `place` for system calls, which go through the open descriptor of its
 * directory.
 */
interface Entry {
  readonly source: string;
  readonly place: string;
}

async function sendEntry(client: AgentClient, { source, place }: Entry, path: string, options: SendOptions) {
  await using entry = await open(place, O_PATH | constants.O_NOFOLLOW);
  const stat = await entry.stat();
  const itself = `/proc/self/fd/${entry.fd}`;
  const send = async (data: Uint8Array, size: number, offset: number) => {
    const { uid, gid } = options.owner ?? stat;
    await client.agent.copyFile(
      { path, file_mode: stat.mode, dir_mode: DIRECTORY_MODE, uid, gid, file_size: size, offset, data },
      options.signal === undefined ? {} : { signal: options.signal },
    );
  };
  if (stat.isDirectory()) {
    await send(new Uint8Array(), 0, 0);
    for (const name of (await readdir(itself)).toSorted()) {
      const inside = { source: join(source, name), place: `${itself}/${name}` };
      await sendEntry(client, inside, `${path}/${name}`, options);
    }
  } else if (stat.isSymbolicLink()) {
    const target = await readlink(place, { encoding: "buffer" });
    await send(target, target.length, 0);
  } else if (stat.isFile()) {
    await sendContent(source, itself, send);
  } else {
    throw new Error(`send ${source}: neither a file, a directory nor a link`);
  }
}

type Send = (data: Uint8Array, size: number, offset: number) => Promise<void>;

async function sendContent(source: string, place: string, send: Send): Promise<void> {
  await using file = await open(place, "r");
  for (let tries = 1; ; tries++) {
    try {
      await sendPieces(source, file, send);
      return;
    } catch (error) {
      if (tries === MAX_TRIES || !(error instanceof RpcError && error.reason === "interrupted")) throw error;
    }
  }
}

async function sendPieces(source: string, file: FileHandle, send: Send): Promise<void> {
  const { size } = await file.stat();
  if (size === 0) await send(new Uint8Array(), 0, 0);
  const buffer = Buffer.alloc(Math.min(size, CHUNK_BYTES));
  for (let offset = 0; offset < size; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
    if (bytesRead === 0) throw new Error(`send ${source}: the file shrank while it was being sent`);
    await send(buffer.subarray(0, bytesRead), size, offset);
    offset += bytesRead;
  }
}
