import { linkSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ParsedKey } from "ssh2";
import ssh2 from "ssh2";
import { randomName } from "../../engine/guest/random-name.ts";
import { makePrivateFolder } from "../../private-folder.ts";
import { CliError } from "../cli-error.ts";

/** Name of guestctl's server in known_hosts. */
export const HOST_ALIAS = "guestctl";

/** How long ssh-agent has to list its keys. */
const AGENT_MS = 5000;
const MAX_FILE_BYTES = 1 << 20;

/** Keys that guestctl has made for this user: its server's, and one that it accepts. */
export interface ProxyKeys {
  readonly hostKey: string;
  readonly key: ParsedKey;
  /** Paths for ssh_config. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

/** Returns the keys in ~/.ssh/guestctl, and makes those that don't exist. Throws CliError or FolderError. */
export function proxyKeys(folder = join(homedir(), ".ssh/guestctl")): ProxyKeys {
  const root = makePrivateFolder(folder);
  const [hostKeyFile, keyFile, knownHostsFile] = [join(root, "host_key"), join(root, "key"), join(root, "known_hosts")];
  const hostKey = privateKey(hostKeyFile);
  const key = parse(privateKey(keyFile), keyFile);
  const publicKey = parse(hostKey, hostKeyFile).getPublicSSH().toString("base64");
  const line = `${HOST_ALIAS} ssh-ed25519 ${publicKey}\n`;
  if (textOf(knownHostsFile) !== line) replace(knownHostsFile, line);
  return { hostKey, key, keyFile, knownHostsFile };
}

/** Returns the keys that the user's ssh-agent holds; none without an agent, or if it doesn't answer. */
export async function agentKeys(path = process.env["SSH_AUTH_SOCK"]): Promise<readonly ParsedKey[]> {
  if (path === undefined || path === "") return [];
  const limit = new AbortController();
  const listed = new Promise<readonly ParsedKey[]>((resolve) => {
    ssh2.createAgent(path).getIdentities((error, keys = []) => {
      resolve(error ? [] : keys.flatMap((key) => valid(ssh2.utils.parseKey(key as Buffer))));
    });
  });
  const late = sleep(AGENT_MS, [], { signal: limit.signal }).catch(() => []);
  const keys = await Promise.race([listed, late]);
  limit.abort();
  return keys;
}

/** Returns the public keys in a file of one key for each line. Throws CliError. */
export function authorizedKeys(file: string): readonly ParsedKey[] {
  const text = textOf(file);
  if (text === undefined) throw new CliError(`ssh-proxy: --authorized-keys ${file}: no such file`);
  if (text.length > MAX_FILE_BYTES) throw new CliError(`ssh-proxy: --authorized-keys ${file}: larger than 1 MiB`);
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const keys = lines.flatMap((line) => valid(ssh2.utils.parseKey(line)));
  if (keys.length > 0) return keys;
  throw new CliError(
    `ssh-proxy: --authorized-keys ${file}: no public key in it; give a file such as ~/.ssh/id_ed25519.pub`,
  );
}

function privateKey(file: string): string {
  const found = textOf(file);
  if (found !== undefined) return found;
  const made = newKey();
  const temporary = `${file}.${randomName("new")}`;
  writeFileSync(temporary, made, { mode: 0o600, flag: "wx" });
  try {
    linkSync(temporary, file); // fails if another guestctl was faster, whose key counts then
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    unlinkSync(temporary);
  }
  return textOf(file) ?? made;
}

/** Returns a private key in OpenSSH's format. */
export function newKey(): string {
  for (;;) {
    // ssh2 drops a zero byte at the start of a public key: one of 256 that it makes can't be read.
    const { private: key } = ssh2.utils.generateKeyPairSync("ed25519", { comment: HOST_ALIAS });
    if (!(ssh2.utils.parseKey(key) instanceof Error)) return key;
  }
}

function replace(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
}

function parse(text: string, file: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw new CliError(`ssh-proxy: ${file}: not a private key; remove it`, { cause: key });
  return Array.isArray(key) ? key[0] : key;
}

function valid(key: ParsedKey | readonly ParsedKey[] | Error): readonly ParsedKey[] {
  if (key instanceof Error) return [];
  return [key].flat();
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
