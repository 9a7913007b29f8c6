import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProcessRecord } from "../record/state-records.ts";
import { execSpec } from "./exec-spec.ts";

let rootfs: string;

beforeAll(() => {
  rootfs = mkdtempSync(join(tmpdir(), "guestctl-exec-"));
  mkdirSync(join(rootfs, "etc"));
  writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0::/:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n");
});
afterAll(() => rmSync(rootfs, { recursive: true }));

function target() {
  const record: ProcessRecord = {
    container: "c1",
    exec: "c1",
    args: ["server"],
    image: "image.tar",
    terminal: true,
    startedAt: "2026-11-25T00:00:00.000Z",
    rootfs,
    env: ["PATH=/opt/bin", "MODE=old"],
    cwd: "/srv",
    user: "ann",
  };
  return { address: "unix:///a", container: "c1", record };
}

test("an exec inherits its container's environment, user and directory, but not its terminal", () => {
  expect(execSpec(target(), ["ls", "-l"], {})).toMatchObject({
    Args: ["ls", "-l"],
    Env: ["PATH=/opt/bin", "MODE=old"],
    Cwd: "/srv",
    User: { UID: 1000, GID: 100 },
    Terminal: false,
  });
});

test("the options of an exec override its container's settings", () => {
  const options = { env: ["MODE=new"], cwd: "/", user: "0:5", terminal: { rows: 24, columns: 80 } };
  expect(execSpec(target(), ["sh"], options)).toMatchObject({
    Env: ["PATH=/opt/bin", "TERM=xterm", "MODE=new"],
    Cwd: "/",
    User: { UID: 0, GID: 5 },
    Terminal: true,
  });
});

test("users of an unknown container must be numeric and are never looked up on the host", () => {
  const unknown = { address: "unix:///a", container: "c1" };
  expect(execSpec(unknown, ["id"], { user: "7" })).toMatchObject({ Cwd: "/", User: { UID: 7 } });
  expect(() => execSpec(unknown, ["id"], { user: "daemon" })).toThrow("daemon is not in the image's /etc/passwd");
});
