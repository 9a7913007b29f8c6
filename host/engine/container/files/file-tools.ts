import { posix } from "node:path";
import {
  type DirectoryEntry,
  type FileAttributes,
  octal,
  parseAttributes,
  parseDirectory,
  STAT_FORMAT,
  settingsOf,
} from "./file-attributes.ts";
import { ToolError } from "./tool-error.ts";

/** Environment of the container's tools: messages in English, times in UTC. */
export const TOOL_ENV = ["LC_ALL=C", "TZ=UTC0"];

/** Most bytes that one of the container's tools may print. */
export const TOOL_BYTES = 4 << 20;

/** Runs one of the container's programs with TOOL_ENV and returns its output. Throws ToolError if it fails, or prints over TOOL_BYTES. */
export type RunTool = (args: readonly string[]) => Promise<Buffer>;

/** Bits that a new file or directory doesn't get from its client: a container's programs have a umask of 022. */
const UMASK = 0o022;

const HOME = "cd 2>/dev/null || cd /; pwd";
/** The container's sh, and one stat; only names that are too long for one command (126) take xargs. */
const LIST = `
cd "$1" 2>/dev/null || { stat -c %n "$1/." >/dev/null && cd "$1" || exit; }
stat -c "$2 %n" ./.* ./* 2>/dev/null
[ $? -lt 126 ] || printf '%s\\0' ./.* ./* | xargs -0 stat -c "$2 %n" 2>/dev/null || true
`;
const SET = `
[ -z "$2" ] || truncate -s "$2" "$1" || exit
[ -z "$3" ] || chown "$3" "$1" || exit
[ -z "$4" ] || chmod "$4" "$1" || exit
[ -z "$5" ] || touch -c -a -t "$5" "$1" || exit
[ -z "$6" ] || touch -c -m -t "$6" "$1"
`;
const REFUSE_EXISTING = `
if [ -e "$2" ] || [ -L "$2" ]; then echo "$2: File exists" >&2; exit 1; fi
`;

/**
 * Files of a container, by the container's own programs: each request is an exec of stat, mv and so on, so it has the
 * rights, the file systems and the limits of the container's processes.
 */
export class FileTools {
  readonly #runTool: RunTool;
  /** Directory of relative paths. */
  readonly #home: string;

  /** `home` is absolute. */
  constructor(run: RunTool, home: string) {
    this.#runTool = run;
    this.#home = home;
  }

  static async open(run: RunTool): Promise<FileTools> {
    return new FileTools(run, await FileTools.home(run));
  }

  /** Asks the container for the directory of relative paths, which is its user's home. */
  static async home(run: RunTool): Promise<string> {
    const home = (await run(scriptWords(HOME, []))).toString().replace(/\n$/, "");
    return home.startsWith("/") ? home : "/";
  }

  /** Returns a client's path as an absolute one, without following links. Throws ToolError. */
  path(name: string): string {
    if (name.includes("\ufffd") || name.includes("\0")) throw new ToolError(`${name}: the name isn't UTF-8`);
    return posix.resolve(this.#home, name);
  }

  async stat(name: string, follow: boolean): Promise<FileAttributes> {
    const line = await this.#run("stat", ...(follow ? ["-L"] : []), "-c", STAT_FORMAT, this.path(name));
    const attributes = parseAttributes(line.toString());
    if (attributes === undefined) throw new ToolError(`stat ${name}: the container's stat prints another format`);
    return attributes;
  }

  async list(name: string): Promise<DirectoryEntry[]> {
    return parseDirectory((await this.#script(LIST, [this.path(name), STAT_FORMAT])).toString());
  }

  async set(name: string, attributes: Partial<FileAttributes>): Promise<void> {
    await this.#script(SET, [this.path(name), ...settingsOf(attributes)]);
  }

  async remove(name: string, recursive = false): Promise<void> {
    await this.#run("rm", ...(recursive ? ["-r"] : []), this.path(name));
  }

  async makeDirectory(name: string, mode = 0o777, parents = false): Promise<void> {
    await this.#run("mkdir", ...(parents ? ["-p"] : []), "-m", octal(mode & 0o7777 & ~UMASK), this.path(name));
  }

  async removeDirectory(name: string): Promise<void> {
    await this.#run("rmdir", this.path(name));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#script(`${REFUSE_EXISTING}mv "$1" "$2"`, [this.path(from), this.path(to)]);
  }

  async link(target: string, name: string): Promise<void> {
    await this.#script(`${REFUSE_EXISTING}ln -s -- "$1" "$2"`, [target, this.path(name)]);
  }

  async readLink(name: string): Promise<string> {
    return (await this.#run("readlink", "-n", this.path(name))).toString();
  }

  #run(...args: string[]): Promise<Buffer> {
    return this.#runTool(args);
  }

  #script(script: string, args: readonly string[]): Promise<Buffer> {
    return this.#runTool(scriptWords(script, args));
  }
}

/** Returns the words that run a script of sh with `args` as $1, $2 and so on. */
export function scriptWords(script: string, args: readonly string[]): string[] {
  return ["sh", "-c", script, "sh", ...args];
}
