import { readFile } from "node:fs/promises";

/** The host's resolver, and that of systemd-resolved, whose own resolv.conf names a server on loopback. */
const FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/** Returns the host's IPv4 name servers that a guest can reach: none on loopback. */
export async function hostNameServers(files: readonly string[] = FILES): Promise<readonly string[]> {
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    const servers = [...text.matchAll(/^nameserver[ \t]+(\d+(?:\.\d+){3})[ \t]*$/gm)].map(([, server = ""]) => server);
    const reachable = servers.filter((server) => !server.startsWith("127."));
    if (reachable.length > 0) return reachable;
  }
  return [];
}
