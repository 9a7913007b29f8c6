import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { hostNameServers } from "./host-name-servers.ts";

function files(...texts: string[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), "name-servers-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return texts.map((text, index) => {
    const file = join(directory, String(index));
    writeFileSync(file, text);
    return file;
  });
}

test("leaves out servers that a guest can't reach, and comments", async () => {
  const text = "# nameserver 1.1.1.1\nnameserver 192.0.2.1\nnameserver 127.0.0.1\nnameserver fd00::1\nsearch a\n";
  expect(await hostNameServers(files(text))).toEqual(["192.0.2.1"]);
});

test("takes the servers of systemd-resolved if the host's own is on loopback", async () => {
  const servers = files("nameserver 127.0.0.53\noptions edns0\n", "nameserver 192.0.2.7\nnameserver 192.0.2.8\n");
  expect(await hostNameServers(servers)).toEqual(["192.0.2.7", "192.0.2.8"]);
});

test("returns none if no file has one", async () => {
  expect(await hostNameServers([...files(""), "/nonexistent"])).toEqual([]);
});
