import { constants } from "node:fs";
import { posix } from "node:path";
import { RpcError } from "../../client/rpc-error.ts";
import type { FileAttributes } from "../../engine/container/files/file-attributes.ts";
import { OPENED, READ_SCRIPT, WRITE_SCRIPT } from "../../engine/container/files/file-scripts.ts";
import { FileTools, scriptWords } from "../../engine/container/files/file-tools.ts";
import { toolError } from "../../engine/container/files/tool-error.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import type { Exec, ExecInput } from "../exec/exec.ts";
import type { FileDriver, FileInfo, FileType } from "./file-driver.ts";

/** Starts one of the container's programs, with TOOL_ENV. */
export type StartTool = (argv: readonly string[], stdin: ExecInput | undefined, signal: AbortSignal) => Exec;

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants;
const TYPES: Readonly<Record<number, FileType>> = { [S_IFREG]: "file", [S_IFDIR]: "directory", [S_IFLNK]: "link" };
const PERMISSIONS = 0o7777;

/** Reads and changes files by programs of the container: sh, cat, stat, mv and so on. Works with any agent. */
export class ToolFiles implements Omit<FileDriver, "upload" | "download"> {
  readonly #start: StartTool;
  #home: Promise<string> | undefined;

  constructor(start: StartTool) {
    this.#start = start;
  }

  async *read(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const words = scriptWords(READ_SCRIPT, ["0", (await this.#tools(signal, path)).path(path)]);
    const exec = this.#start(words, undefined, signal);
    const { stdout } = exec;
    let isDone = false;
    try {
      for await (const bytes of stdout as AsyncIterable<Buffer>) yield bytes;
      const { exitCode, stderr } = await exec;
      isDone = true;
      if (exitCode !== 0) throw toolError(stderr.replace(OPENED, ""), exitCode);
    } catch (error) {
      throw hasNoTools(error) ?? error;
    } finally {
      if (!isDone) await exec[Symbol.asyncDispose]();
    }
  }

  async write(
    path: string,
    data: AsyncIterable<Uint8Array>,
    { how, mode }: Parameters<FileDriver["write"]>[2],
    signal: AbortSignal,
  ): Promise<void> {
    const words = [
      (await this.#tools(signal, path)).path(path),
      how === "create" ? "exclusive" : how,
      mode.toString(8),
    ];
    const { exitCode, stderr } = await this.#start(scriptWords(WRITE_SCRIPT, ["0", ...words]), data, signal);
    if (exitCode !== 0) throw toolError(stderr.replace(OPENED, ""), exitCode);
  }

  async list(path: string, signal: AbortSignal): Promise<readonly FileInfo[]> {
    const entries = await (await this.#tools(signal, path)).list(path);
    const named = entries.filter(({ filename }) => filename !== "." && filename !== "..");
    return named.map(({ filename, attrs }) => infoOf(filename, attrs));
  }

  async stat(path: string, follow: boolean, signal: AbortSignal): Promise<FileInfo> {
    const tools = await this.#tools(signal, path);
    return infoOf(posix.basename(tools.path(path)), await tools.stat(path, follow));
  }

  async mkdir(path: string, { mode, parents }: Parameters<FileDriver["mkdir"]>[1], signal: AbortSignal): Promise<void> {
    await (await this.#tools(signal, path)).makeDirectory(path, mode, parents);
  }

  async rename(from: string, to: string, signal: AbortSignal): Promise<void> {
    await (await this.#tools(signal, from, to)).rename(from, to);
  }

  async remove(path: string, { recursive }: { readonly recursive: boolean }, signal: AbortSignal): Promise<void> {
    await (await this.#tools(signal, path)).remove(path, recursive);
  }

  /** Asks the container for its user's home only if one of the paths is relative. */
  async #tools(signal: AbortSignal, ...paths: readonly string[]): Promise<FileTools> {
    const run = (argv: readonly string[]) => this.#run(argv, signal);
    if (paths.every((path) => path.startsWith("/"))) return new FileTools(run, "/");
    this.#home ??= FileTools.home(run);
    try {
      return new FileTools(run, await this.#home);
    } catch (error) {
      this.#home = undefined;
      throw error;
    }
  }

  async #run(argv: readonly string[], signal: AbortSignal): Promise<Buffer> {
    try {
      const { exitCode, stdoutBytes, stderr } = await this.#start(argv, undefined, signal);
      if (exitCode !== 0) throw toolError(stderr, exitCode);
      return Buffer.from(stdoutBytes);
    } catch (error) {
      throw hasNoTools(error) ?? error;
    }
  }
}

function infoOf(name: string, { mode, uid, gid, size, mtime }: FileAttributes): FileInfo {
  const type = TYPES[mode & S_IFMT] ?? "other";
  return { name, type, size, mode: mode & PERMISSIONS, uid, gid, modified: new Date(mtime * 1000) };
}

/** Returns the error of a container that lacks the programs. */
function hasNoTools(error: unknown): SandboxError | undefined {
  const cause = error instanceof SandboxError ? error.cause : undefined;
  if (!(cause instanceof RpcError && cause.reason === "no-program")) return undefined;
  const what = "files: the container has no sh, cat or stat, which reading and writing single files needs";
  return new SandboxError("unsupported", what, { remedy: "use files.upload and files.download", cause: error });
}
