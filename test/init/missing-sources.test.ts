import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeMissingSources } from "../../agent/container/mounts/missing-sources.ts";
import { SystemError } from "../../agent/kernel/error.ts";
import { describeFileServers } from "./testing/file-servers.ts";

const ENOENT = 2;

describeFileServers("a file server that creates missing bind sources", (on) => {
  test("creates each with the directories above it, for all to enter", async () => {
    const mounts = ["a/b/c", "a/d"].map((name) => ({
      ...{ destination: "/m", type: "bind", source: join(on.directory, name), options: ["bind"] },
    }));
    const missing = new SystemError("bind /m", ENOENT, "");
    const make = () => makeMissingSources(on.servers, { id: "c1", mounts }, missing);
    expect([await make(), await make()]).toEqual([true, false]);
    const modes = ["a", "a/b", "a/b/c", "a/d"].map((name) => statSync(join(on.directory, name)).mode & 0o7777);
    expect(modes).toEqual([0o755, 0o755, 0o755, 0o755]);
  });
});
