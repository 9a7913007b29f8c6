import { once } from "node:events";
import { openSync, readdirSync, renameSync, statSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Served } from "../../agent/kernel/files/contained-files.ts";
import { ROOT } from "../../agent/kernel/files/served-files.ts";
import { bindAside } from "../../agent/network/forward/bind-aside.ts";
import { describeFileServers } from "./testing/file-servers.ts";
import { sys } from "./testing/relayed-init.ts";

const USER = { uid: 1000, gid: 1001 };
const NAME = Buffer.from("agent.sock");

describeFileServers("a socket that gets a name and a user", (on) => {
  /** Binds a socket. `before` runs before each of the server's calls, like another process that may write to the directory. */
  async function bind(before: (call: string) => void = () => undefined): Promise<void> {
    const namespace = openSync("/proc/self/ns/net", "r");
    const socket = sys.socketIn(namespace, "unix", "stream");
    try {
      await on.servers.use(on.root, async (files) => {
        const watched = new Proxy(files, {
          get(target, call: keyof Served) {
            before(call);
            const value = target[call];
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
        const bound = await bindAside(watched, socket, ROOT, USER);
        await bound.moveTo(NAME, async () => false);
      });
    } finally {
      for (const fd of [namespace, socket]) sys.close(fd);
    }
  }

  test("has both at once, and nothing else stays beside it", async () => {
    await bind();
    expect(readdirSync(on.directory)).toEqual(["agent.sock"]);
    const { uid, gid } = statSync(join(on.directory, "agent.sock"));
    expect({ uid, gid }).toEqual(USER);
  });

  test.each(["bind", "entry", "chown", "rename"])(
    "gives no other file to its user if its directory is swapped before %s",
    async (when) => {
      const victim = join(on.directory, "victim.sock");
      const server = createServer().listen(victim);
      await once(server, "listening");
      await bind((call) => {
        if (call !== when) return;
        for (const name of readdirSync(on.directory).filter((each) => each.startsWith(".guestd-"))) {
          renameSync(join(on.directory, name), join(on.directory, `moved-${name}`));
          symlinkSync(".", join(on.directory, name));
          symlinkSync("victim.sock", join(on.directory, "socket"));
        }
      }).catch(() => undefined);
      expect(statSync(victim).uid).toBe(0);
      server.close();
    },
  );

  test("does not replace what already has its name", async () => {
    const server = createServer().listen(join(on.directory, "agent.sock"));
    await once(server, "listening");
    await expect(bind()).rejects.toThrow("EADDRINUSE");
    expect(readdirSync(on.directory)).toEqual(["agent.sock"]);
    server.close();
  });
});
