import { posix } from "node:path";
import type { Attributes } from "ssh2";
import type { SshTarget } from "../ssh-target.ts";
import {
  type DirectoryEntry,
  octal,
  parseAttributes,
  parseDirectory,
  STAT_FORMAT,
  settingsOf,
} from "./file-attributes.ts";
import { runScript, runTool } from "./run-tool.ts";
import { SftpError } from "./sftp-error.ts";

/** Bits that a new file or directory doesn't get from its client: a container's programs have a umask of 022. */
const UMASK = 0o022;

const HOME = "cd 2>/dev/null || cd /; pwd";
const LIST = `
stat -c %n "$1/." >/dev/null && cd "$1" || exit
printf '%s\\0' ./.* ./* | xargs -0 stat -c "$2 %n" 2>/dev/null || true
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
  readonly #target: SshTarget;
  /** Directory of relative paths. */
  readonly #home: string;

  constructor(target: SshTarget, home: string) {
    this.#target = target;
    this.#home = home;
  }

  static async open(target: SshTarget): Promise<FileTools> {
    const home = (await runScript(target, HOME, [])).toString().replace(/\n$/, "");
    return new FileTools(target, home.startsWith("/") ? home : "/");
  }

  /** Returns a client's path as an absolute one, without following links. Throws SftpError. */
  path(name: string): string {
    if (name.includes("\ufffd") || name.includes("\0")) throw new SftpError(`${name}: the name isn't UTF-8`);
    return posix.resolve(this.#home, name);
  }

  async stat(name: string, follow: boolean): Promise<Attributes> {
    const line = await this.#run("stat", ...(follow ? ["-L"] : []), "-c", STAT_FORMAT, this.path(name));
    const attributes = parseAttributes(line.toString());
    if (attributes === undefined) throw new SftpError(`stat ${name}: the container's stat prints another format`);
    return attributes;
  }

  async list(name: string): Promise<DirectoryEntry[]> {
    return parseDirectory((await runScript(this.#target, LIST, [this.path(name), STAT_FORMAT])).toString());
  }

  async set(name: string, attributes: Partial<Attributes>): Promise<void> {
    await runScript(this.#target, SET, [this.path(name), ...settingsOf(attributes)]);
  }

  async remove(name: string): Promise<void> {
    await this.#run("rm", this.path(name));
  }

  async makeDirectory(name: string, mode = 0o777): Promise<void> {
    await this.#run("mkdir", "-m", octal(mode & 0o7777 & ~UMASK), this.path(name));
  }

  async removeDirectory(name: string): Promise<void> {
    await this.#run("rmdir", this.path(name));
  }

  async rename(from: string, to: string): Promise<void> {
    await runScript(this.#target, `${REFUSE_EXISTING}mv "$1" "$2"`, [this.path(from), this.path(to)]);
  }

  async link(target: string, name: string): Promise<void> {
    await runScript(this.#target, `${REFUSE_EXISTING}ln -s -- "$1" "$2"`, [target, this.path(name)]);
  }

  async readLink(name: string): Promise<string> {
    return (await this.#run("readlink", "-n", this.path(name))).toString();
  }

  #run(...args: string[]): Promise<Buffer> {
    return runTool(this.#target, args);
  }
}
