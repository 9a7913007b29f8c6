import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { until } from "./attacked-program.ts";
import type { UsedProgram } from "./guestctl-lines.ts";

/** Until the client leaves, whatever was answered. */
const USE_MS = 1500;

/** Logs in to `guestctl ssh-proxy`, lists, reads and writes by SFTP, runs a command, and is gone. */
export async function useSftp({ child, home }: Pick<UsedProgram, "child" | "home">): Promise<void> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("no pipes");
  stdout.removeAllListeners("data").pause(); // the protocol is no output
  const key = join(home, ".ssh/guestctl/key");
  await until(child, () => existsSync(key) || undefined);
  const client = new ssh2.Client();
  const ready = new Promise<void>((resolve, reject) => client.on("ready", resolve).on("error", reject));
  const sock = Duplex.from({ readable: stdout, writable: stdin });
  client.connect({ sock, username: "any", privateKey: readFileSync(key) });
  await ready;
  client.exec("ls", () => undefined);
  client.sftp((_, sftp) => {
    sftp?.readdir("/", () => undefined);
    sftp?.open("/tmp/x", "w", (error, handle) => {
      if (!error) sftp.write(handle, Buffer.alloc(100), 0, 100, 0, () => undefined);
    });
    sftp?.open("/etc/hostname", "r", (error, handle) => {
      if (!error) sftp.read(handle, Buffer.alloc(100), 0, 100, 0, () => undefined);
    });
  });
  await sleep(USE_MS);
  client.destroy();
  stdin.destroy();
}
