import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { packagedNode } from "../../../rootfs-builder/image/stripped-node.ts";
import { LIMITED, limitedProgram } from "../../attack/vm/testing/limited-program.ts";
import { buildDebianImage } from "../../testing/debian-image.ts";

const PACKAGES = ["base-files", "bash", "coreutils", "util-linux", "systemd", "libstdc++6"];
const RUNTIME = "/run/user/1000";
/** An ordinary user's service manager, as user@1000.service starts it. */
const MANAGER = [
  ...["systemd-run", "--unit=manager", "--slice=user", "-p", "User=1000", "-p", "Delegate=yes", "-p", "Type=notify"],
  ...["-E", `XDG_RUNTIME_DIR=${RUNTIME}`, "/lib/systemd/systemd", "--user"],
];
const AS_USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", `XDG_RUNTIME_DIR=${RUNTIME}`];
let directory: string;

/** Runs guestctl. Its output; rejects unless it ends with 0. */
async function guestctl(...args: string[]): Promise<string> {
  const launcher = join(repositoryRoot, "host/cli/launch.cjs");
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  return (await promisify(execFile)(process.execPath, [launcher, ...args], { env })).stdout;
}
const inside = (...command: string[]) => guestctl("exec", "manager", ...command);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "user-manager-"));
  writeFileSync(join(directory, "passwd"), "root:x:0:0::/root:/bin/bash\nsomeone:x:1000:1000::/:/bin/bash\n");
  writeFileSync(join(directory, "group"), "root:x:0:\nsomeone:x:1000:\n");
  const files = ["passwd", "group"].map((name) => ({ file: join(directory, name), to: `/etc/${name}` }));
  const image = await buildDebianImage("test-systemd", PACKAGES, files);
  const options = ["--privileged", "--vm-memory", "1536", "-v", `${repositoryRoot}:${repositoryRoot}:ro`];
  await guestctl("run", "-d", "--name", "manager", ...options, image, "/lib/systemd/systemd");
});
afterAll(async () => {
  await guestctl("stop", "manager");
  rmSync(directory, { recursive: true, force: true });
});

test("an ordinary user's guests get their cgroups and limits in systemd-run --user --scope", async () => {
  const isUp = () => inside("systemctl", "is-system-running").catch(({ stdout }: { stdout: string }) => stdout);
  await expect.poll(isUp).toMatch(/^(running|degraded)/);
  await inside("mkdir", "-p", RUNTIME);
  await inside("chown", "1000:1000", RUNTIME);
  await inside(...MANAGER);
  // In a service of the manager, as a terminal is: it may not move processes of other users' services.
  const scope = `systemd-run --user --scope --quiet ${packagedNode()} ${limitedProgram().join(" ")}; echo ended $?`;
  const output = ["-p", "StandardOutput=file:/tmp/output", "-p", "StandardError=file:/tmp/output"];
  await inside(...AS_USER, "systemd-run", "--user", ...output, "bash", "-c", scope);
  const text = () => inside("cat", "/tmp/output");
  await expect.poll(text).toMatch(/^ended /m);
  const [first = ""] = (await text()).split("\n");
  expect(JSON.parse(first)).toEqual(LIMITED);
});
