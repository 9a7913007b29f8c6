import { setTimeout as sleep } from "node:timers/promises";
import { O_DIRECTORY, O_PATH, SIGKILL } from "../constants.ts";
import { AgentError, SystemError } from "../error.ts";
import type { Fd, Init, RestoredProcess } from "../kernel.ts";
import { openPath } from "../open-path.ts";
import { waitUntil } from "../wait/wait-until.ts";
import { type ContainedFiles, type FileRoot, guestRoot, type OwnFiles, type Served } from "./contained-files.ts";
import { FileServer, nameOf, type ServerSys } from "./file-server.ts";
import { type Handle, ROOT, ServedFiles } from "./served-files.ts";
import type { Duty } from "./serving-plan.ts";

/** How long a short call may take, and one of long work, ms. */
const SHORT_MS = 10_000;
const LONG_MS = 30_000;
/** How long a shared server waits for its next user, ms. */
const IDLE_MS = 1000;
/** How long the end of a container waits for its servers, ms. */
const END_MS = 1000;
/** Most servers at once: in all, of one container, and of those most that file systems hold. */
const MAX_SERVERS = 128;
const MAX_OF_ONE = 32;
const MAX_HELD_OF_ONE = 2;
const ESRCH = 3;

export interface ServersOptions {
  readonly sys: ServerSys;
  readonly init: Pick<Init, "launch" | "forget">;
  /** Returns a new id for init's table. */
  readonly newId: () => number;
  readonly shortMs?: number;
  readonly longMs?: number;
  readonly idleMs?: number;
}

/** A process that has not ended: a server of this agent's or of a previous one. */
type Running = Pick<FileServer, "container" | "isHeld">;

interface Shared {
  readonly server: FileServer;
  readonly files: ServedFiles;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/**
 * The file servers of all roots, forked on first use. One that a file system holds is given up, and counted until the kernel
 * lets it go: a container that holds too many gets no more.
 */
export class FileServers implements ContainedFiles {
  readonly #options: ServersOptions;
  readonly #shared = new Map<string, Shared>();
  readonly #running = new Set<Running>();

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  async use<T>(root: FileRoot, calls: (files: Served) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return await this.#run(root, "everything", calls, signal);
  }

  async lookUp<T>(root: FileRoot, calls: (files: Served, dir: Handle) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const top = guestRoot(root.container);
    return await this.#run(top, "reading", (files) => inRoot(this.#options.sys, files, root, calls), signal);
  }

  prepare(container: string): void {
    // A look-up reports why it can't start.
    this.#run(guestRoot(container), "reading", async () => undefined).catch(() => undefined);
  }

  open(root: FileRoot): OwnFiles {
    const server = this.#start(root, "everything", this.#options.longMs ?? LONG_MS);
    return { files: new ServedFiles(server), [Symbol.dispose]: () => server.close() };
  }

  async end(container: string): Promise<void> {
    const running = [...this.#running].filter((each) => each.container === container);
    const servers = running.filter((each) => each instanceof FileServer);
    for (const server of servers) server.close();
    if (servers.length === 0) return;
    await Promise.race([Promise.all(servers.map((server) => server.ended)), sleep(END_MS, undefined, { ref: false })]);
  }

  /** Kills a server that a previous agent left, and counts it until it is gone. */
  abandon(container: string, { id, pidfd, exit, exited }: RestoredProcess): void {
    const { sys, init } = this.#options;
    const left = { container, isHeld: true };
    if (exited === undefined && pidfd !== undefined) {
      this.#running.add(left);
      kill(sys, pidfd);
    }
    void exit.then(() => {
      this.#running.delete(left);
      if (pidfd !== undefined) sys.close(pidfd);
      init.forget(id);
    });
  }

  /** Makes calls in the server that all users of a root share for a duty. */
  async #run<T>(
    root: FileRoot,
    duty: Duty,
    calls: (files: ServedFiles) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    const key = `${root.container} ${root.path} ${duty}`;
    const shared = this.#share(key, root, duty);
    shared.users += 1;
    clearTimeout(shared.idle);
    const begin = async () => calls(shared.files);
    const result = begin().finally(() => this.#release(key, shared));
    return await (signal === undefined ? result : waitUntil(result, signal));
  }

  #share(key: string, root: FileRoot, duty: Duty): Shared {
    const known = this.#shared.get(key);
    if (known !== undefined && !known.server.isClosed) return known;
    const server = this.#start(root, duty, this.#options.shortMs ?? SHORT_MS);
    const shared = { server, files: new ServedFiles(server), users: 0, idle: undefined };
    this.#shared.set(key, shared);
    return shared;
  }

  #release(key: string, shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    shared.idle = setTimeout(() => {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      shared.server.close();
    }, this.#options.idleMs ?? IDLE_MS).unref();
  }

  #start(root: FileRoot, duty: Duty, limitMs: number): FileServer {
    const { sys, init, newId } = this.#options;
    const { container } = root;
    this.#checkRoom(container);
    const fd = openRootOf(sys, root);
    try {
      const server = new FileServer({ sys, init, id: newId(), container, duty, limitMs }, fd);
      this.#running.add(server);
      void server.ended.then(() => this.#running.delete(server));
      return server;
    } finally {
      // Init's message has its copy, sent before the constructor returns.
      sys.close(fd);
    }
  }

  #checkRoom(container: string): void {
    const own = [...this.#running].filter((each) => each.container === container);
    const held = own.filter(({ isHeld }) => isHeld).length;
    if (held >= MAX_HELD_OF_ONE) {
      const line = `files of ${nameOf(container)}: file systems that don't answer hold ${held} helpers; unmount or end their servers`;
      throw new AgentError("unavailable", line);
    }
    if (own.length < MAX_OF_ONE && this.#running.size < MAX_SERVERS) return;
    const line = `files of ${nameOf(container)}: ${own.length} helpers are running; try again later`;
    throw new AgentError("resource-exhausted", line);
  }
}

/** Runs calls in the directory of a root, on a server whose root is the guest's. */
async function inRoot<T>(
  sys: ServerSys,
  files: ServedFiles,
  root: FileRoot,
  calls: (files: Served, dir: Handle) => Promise<T>,
): Promise<T> {
  const { path, below } = root;
  const use = (dir: Handle) =>
    below === undefined ? calls(files, dir) : files.within(dir, below, (inner) => calls(files, inner));
  if (path === "/") return await use(ROOT);
  const fd = openRootOf(sys, root);
  try {
    return await files.withDirectory(fd, use);
  } finally {
    sys.close(fd);
  }
}

function openRootOf(sys: Pick<ServerSys, "close">, { path, isAlive }: FileRoot): Fd {
  const fd = openPath(path, O_PATH | O_DIRECTORY);
  if (isAlive === undefined || isAlive()) return fd;
  sys.close(fd);
  throw new SystemError("open", ESRCH, path);
}

function kill(sys: Pick<ServerSys, "signal">, pidfd: Fd): void {
  try {
    sys.signal(pidfd, SIGKILL);
  } catch {
    // It has just ended.
  }
}
