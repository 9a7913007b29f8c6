import type { Attributes, SFTPWrapper } from "ssh2";
import { type DirectoryEntry, octal } from "../../../engine/container/files/file-attributes.ts";
import { FileTools } from "../../../engine/container/files/file-tools.ts";
import { ToolError } from "../../../engine/container/files/tool-error.ts";
import { oneLine } from "../../../operation-error.ts";
import type { SshTarget } from "../ssh-target.ts";
import { OpenFile } from "./open-file.ts";
import { runTool } from "./run-tool.ts";

const MAX_HANDLES = 128;
/** Requests without an answer, and their bytes: OpenSSH sends 64 of 32 KiB. */
const MAX_REQUESTS = 1024;
const MAX_REQUEST_BYTES = 64 << 20;
const NAMES_IN_ANSWER = 128;
const MAX_READ_BYTES = 256 << 10;
const CLOSE_MS = 10_000;
const NEW_MODE = 0o644;
const UMASK = 0o022;

/** Status codes of SFTP 3. */
const STATUS = { ok: 0, eof: 1, noSuchFile: 2, permissionDenied: 3, failure: 4 } as const;

/** Names of a directory that were not sent yet. */
interface OpenDirectory {
  readonly path: string;
  entries: DirectoryEntry[];
}

type Handle = OpenFile | OpenDirectory;

/** ssh2's parts that report an exit status for SFTP, without which scp fails; it has no method for that. */
interface SftpChannel {
  readonly outgoing: { readonly id: number };
  readonly _protocol: { exitStatus(channel: number, status: number): void };
}

/**
 * Serves SFTP 3 over a channel until the client ends it, by programs of the container. Files that are open then have `closeMs` to
 * be written: an agent that has taken a part and answers nothing more would hold them for ever.
 */
export async function serveSftp(
  sftp: SFTPWrapper,
  target: SshTarget,
  gone: AbortSignal,
  closeMs = CLOSE_MS,
): Promise<void> {
  const handles = new Map<number, Handle>();
  const tools = FileTools.open((args) => runTool(target, args));
  tools.catch(() => undefined);
  let [lastHandle, requests, bytes] = [0, 0, 0];
  const isOver = Promise.withResolvers<number>();

  /** Answers a request by `work`, or with its error. */
  const answer = (id: number, work: () => Promise<void>, size = 0) => {
    requests++;
    bytes += size;
    if (requests > MAX_REQUESTS || bytes > MAX_REQUEST_BYTES) return isOver.resolve(1);
    const fail = (error: unknown) => {
      const known = error instanceof ToolError ? error : new ToolError(oneLine(error));
      if (!gone.aborted) sftp.status(id, statusOf(known), known.message);
    };
    const done = () => {
      requests--;
      bytes -= size;
    };
    work().catch(fail).finally(done);
  };
  /** Answers OK after `work`. */
  const perform = (id: number, work: (files: FileTools) => Promise<void>) =>
    answer(id, async () => {
      await work(await tools);
      sftp.status(id, STATUS.ok);
    });
  const found = (handle: Buffer): Handle => {
    const open = handle.length === 4 ? handles.get(handle.readUInt32BE()) : undefined;
    if (open === undefined) throw new ToolError("no such handle");
    return open;
  };
  const file = (handle: Buffer): OpenFile => {
    const open = found(handle);
    if (open instanceof OpenFile) return open;
    throw new ToolError(`${open.path}: Is a directory`);
  };
  const keep = (id: number, handle: Handle) => {
    const key = Buffer.alloc(4);
    key.writeUInt32BE(++lastHandle);
    handles.set(lastHandle, handle);
    sftp.handle(id, key);
  };
  const admit = () => {
    if (handles.size >= MAX_HANDLES) throw new ToolError(`over ${MAX_HANDLES} open files; close some`);
  };

  sftp.on("OPEN", (id, name, flags, attrs) =>
    answer(id, async () => {
      admit();
      const mode = octal((attrs.mode ?? NEW_MODE) & 0o7777 & ~UMASK);
      keep(id, await OpenFile.open(target, (await tools).path(name), flags, mode));
    }),
  );
  sftp.on("READ", (id, handle, offset, length) =>
    answer(id, async () => {
      const data = await file(handle).read(offset, Math.min(length, MAX_READ_BYTES));
      if (data === undefined) sftp.status(id, STATUS.eof);
      else sftp.data(id, data);
    }),
  );
  sftp.on("WRITE", (id, handle, offset, data) =>
    answer(
      id,
      async () => {
        await file(handle).write(offset, data);
        sftp.status(id, STATUS.ok);
      },
      data.length,
    ),
  );
  sftp.on("CLOSE", (id, handle) =>
    perform(id, async () => {
      const open = found(handle);
      handles.delete(handle.readUInt32BE());
      if (open instanceof OpenFile) await open.close();
    }),
  );
  sftp.on("FSTAT", (id, handle) =>
    answer(id, async () => {
      const open = found(handle);
      if (open instanceof OpenFile) await open.flush();
      sftp.attrs(id, await (await tools).stat(open.path, true));
    }),
  );
  sftp.on("FSETSTAT", (id, handle, attrs) =>
    perform(id, async (files) => {
      const open = found(handle);
      if (open instanceof OpenFile) await open.flush();
      await files.set(open.path, attrs);
    }),
  );
  sftp.on("OPENDIR", (id, name) =>
    answer(id, async () => {
      admit();
      const files = await tools;
      keep(id, { path: files.path(name), entries: await files.list(name) });
    }),
  );
  sftp.on("READDIR", (id, handle) =>
    answer(id, async () => {
      const open = found(handle);
      if (open instanceof OpenFile) throw new ToolError(`${open.path}: Not a directory`);
      const names = open.entries.splice(0, NAMES_IN_ANSWER);
      if (names.length === 0) sftp.status(id, STATUS.eof);
      else sftp.name(id, names);
    }),
  );
  const stat = (follow: boolean) => (id: number, name: string) =>
    answer(id, async () => sftp.attrs(id, await (await tools).stat(name, follow)));
  sftp.on("STAT", stat(true));
  sftp.on("LSTAT", stat(false));
  const named = (id: number, name: string) =>
    sftp.name(id, [{ filename: name, longname: name, attrs: {} as Attributes }]);
  sftp.on("REALPATH", (id, name) => answer(id, async () => named(id, (await tools).path(name))));
  sftp.on("READLINK", (id, name) => answer(id, async () => named(id, await (await tools).readLink(name))));
  sftp.on("SETSTAT", (id, name, attrs) => perform(id, (files) => files.set(name, attrs)));
  sftp.on("REMOVE", (id, name) => perform(id, (files) => files.remove(name)));
  sftp.on("MKDIR", (id, name, attrs) => perform(id, (files) => files.makeDirectory(name, attrs.mode)));
  sftp.on("RMDIR", (id, name) => perform(id, (files) => files.removeDirectory(name)));
  sftp.on("RENAME", (id, from, to) => perform(id, (files) => files.rename(from, to)));
  sftp.on("SYMLINK", (id, name, to) => perform(id, (files) => files.link(to, name)));

  for (const event of ["end", "close", "error"]) sftp.on(event, () => isOver.resolve(event === "error" ? 1 : 0));
  gone.addEventListener("abort", () => isOver.resolve(1), { once: true });
  const status = await isOver.promise;
  const files = [...handles.values()].filter((open) => open instanceof OpenFile);
  const limit = setTimeout(() => {
    for (const each of files) each.abandon();
  }, closeMs);
  await Promise.allSettled(files.map((each) => each.close()));
  clearTimeout(limit);
  if (gone.aborted) return;
  const channel = sftp as unknown as SftpChannel;
  channel._protocol.exitStatus(channel.outgoing.id, status);
  sftp.end();
}

function statusOf({ kind }: ToolError): number {
  if (kind === "not-found") return STATUS.noSuchFile;
  return kind === "permission-denied" ? STATUS.permissionDenied : STATUS.failure;
}
