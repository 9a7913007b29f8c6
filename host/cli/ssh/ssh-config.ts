import { HOST_ALIAS, type ProxyKeys } from "./proxy-keys.ts";

/** Returns the lines of ssh_config that connect `host` through guestctl. `command` are the words of its command line. */
export function sshConfig(host: string, command: readonly string[], { keyFile, knownHostsFile }: ProxyKeys): string {
  const lines = [
    `ProxyCommand ${command.map(word).join(" ")}`,
    `IdentityFile ${quoted(keyFile)}`,
    "IdentitiesOnly yes",
    `HostKeyAlias ${HOST_ALIAS}`,
    `UserKnownHostsFile ${quoted(knownHostsFile)}`,
  ];
  return [`Host ${host}`, ...lines.map((line) => `  ${line}`), ""].join("\n");
}

/** Quotes a word for the user's shell, which ssh gives the command to after it has replaced %. */
function word(text: string): string {
  const plain = /^[\w./:=@,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return plain.replaceAll("%", "%%");
}

function quoted(path: string): string {
  return `"${path.replaceAll("%", "%%")}"`;
}
