import { chmodSync, lstatSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../agent/kernel/files/served-files.ts";
import { bindAside } from "../../agent/network/forward/bind-aside.ts";
import { describeFileServers } from "./testing/file-servers.ts";
import { sys } from "./testing/relayed-init.ts";

describeFileServers("a socket that is bound aside", (on) => {
  test.each([0o755, 0o2775, 0o1777])("gets its name with its owner in a directory of mode %o", async (mode) => {
    chmodSync(on.directory, mode);
    const namespace = openSync("/proc/self/ns/net", "r");
    const socket = sys.socketIn(namespace, "unix", "stream");
    await on.servers.use(on.root, async (files) => {
      const bound = await bindAside(files, socket, ROOT, { uid: 7, gid: 8 });
      await bound.moveTo(Buffer.from("socket"), async () => false);
    });
    const file = lstatSync(join(on.directory, "socket"));
    expect([file.isSocket(), file.uid, file.gid, readdirSync(on.directory)]).toEqual([true, 7, 8, ["socket"]]);
    for (const fd of [namespace, socket]) sys.close(fd);
  });
});
