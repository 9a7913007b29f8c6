import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { packagedNode } from "../../../rootfs-builder/image/stripped-node.ts";
import { buildDebianImage } from "../../testing/debian-image.ts";
import { LIMITED, limitedProgram } from "./testing/limited-program.ts";

let directory: string;
let image: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guest-limits-"));
  image = await buildDebianImage("test-libraries", ["base-files", "libstdc++6"]);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

// In a guest, whose kernel has cgroup v2 on every machine.
test("a program of a guest gets no more processes, files and memory than its cgroup and limits allow", async () => {
  const options = ["--privileged", "--vm-memory", "1280", "-v", `${repositoryRoot}:${repositoryRoot}:ro`];
  const command = [packagedNode(), ...limitedProgram()];
  const guestctl = join(repositoryRoot, "host/cli/launch.cjs");
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const { stdout } = await promisify(execFile)(process.execPath, [guestctl, "run", ...options, image, ...command], {
    env,
  });
  expect(JSON.parse(stdout)).toEqual(LIMITED);
});
