import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildRelease } from "./testing/build-release.ts";
import { createDebianRoot, runInRoot } from "./testing/debian-root.ts";
import { stepTable } from "./testing/step-table.ts";
import type { Step } from "./testing/timed-step.ts";
import { whyNoDebianRoot } from "./testing/why-no-debian-root.ts";

const IMAGE = `/usr/lib/guestd/node_modules/guestd-guest-linux-${process.arch}/busybox.tar`;
const reason = whyNoDebianRoot();
const why = reason === undefined ? "" : ` (skipped: ${reason})`;
let directory = "";
let root = "";

beforeAll(() => {
  if (reason !== undefined) return;
  directory = mkdtempSync("/tmp/guestd-first-minute-");
  // apt reads the package as its own user.
  chmodSync(directory, 0o755);
  root = join(directory, "root");
  mkdirSync(root);
  buildRelease(join(directory, "release"));
});
afterAll(() => {
  if (directory !== "") rmSync(directory, { recursive: true, force: true });
});

test.skipIf(reason !== undefined)(
  `a new Debian 12 runs "echo hello" in a guest, from the .deb alone${why}`,
  async () => {
    const steps: [name: string, step: Step][] = [["debootstrap", await createDebianRoot(root)]];
    const run = async (status: number, ...command: string[]): Promise<Step> => {
      const step = await runInRoot(root, ...command);
      steps.push([command.join(" "), step]);
      const end = [step.stdout, step.stderr].map((text) => text.slice(-2000)).join("\n");
      expect([command, step.status, end]).toEqual([command, status, end]);
      return step;
    };
    const [deb = ""] = readdirSync(join(directory, "release")).filter((name) => name.endsWith(".deb"));
    execFileSync("cp", [join(directory, "release", deb), join(root, "tmp")]);

    await run(0, "apt-get", "update");
    await run(0, "apt-get", "install", "--yes", `/tmp/${deb}`);
    for (const path of ["man/man1/guestctl-run.1.gz", "bash-completion/completions/guestctl"]) {
      expect([path, existsSync(join(root, "usr/share", path))]).toEqual([path, true]);
    }
    const before = await run(1, "guestctl", "doctor");
    expect(before.stdout).toMatch(/^missing +QEMU .*run guestctl setup/m);
    const setup = await run(0, "guestctl", "setup", "--yes");
    expect(setup.stdout).toContain(`ready; try: guestctl run ${IMAGE} echo hello\n`);
    expect((await run(0, "guestctl", "doctor")).stdout).not.toMatch(/^missing /m);
    for (let times = 0; times < 2; times++) {
      const { stdout, stderr } = await run(0, "guestctl", "run", IMAGE, "echo", "hello");
      expect([stdout, stderr]).toEqual(["hello\n", ""]);
    }
    await run(0, "guestctl", "setup", "--remove");
    await run(0, "apt-get", "purge", "--yes", "guestd");
    const left = ["usr/lib/guestd", "usr/bin/guestctl", "root/.cache/guestd"].filter((path) =>
      existsSync(join(root, path)),
    );
    expect(left).toEqual([]);
    console.log(stepTable(steps.map(([name, step]) => [name.replace(/\S*\//, ""), step])));
  },
);
