import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../lib/package-root.ts";
import { buildRelease } from "./testing/build-release.ts";
import { addUser, createDebianRoot, runInRoot, USER } from "./testing/debian-root.ts";
import { DebianSession } from "./testing/debian-session.ts";
import { stepTable } from "./testing/step-table.ts";
import type { Step } from "./testing/timed-step.ts";
import { whyNoDebianRoot } from "./testing/why-no-debian-root.ts";

/** Seconds after which a command is killed. */
const LIMIT = 1200;
const reason = whyNoDebianRoot();
const why = reason === undefined ? "" : ` (skipped: ${reason})`;

describe.skipIf(reason !== undefined)(`the first mile of an ordinary user on a new Debian 12${why}`, () => {
  let directory = "";

  beforeAll(async () => {
    // Not in /tmp, which may be memory: two systems and a checkout's packages are 2 GiB.
    directory = mkdtempSync("/var/tmp/guestd-first-mile-");
    chmodSync(directory, 0o755);
    const base = rootOf("demo");
    mkdirSync(base);
    await createDebianRoot(base);
    await addUser(base);
    const { status, stderr } = await runInRoot(base, "apt-get", "-q", "install", "--yes", "npm");
    expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
    execFileSync("cp", ["-a", base, rootOf("packages")]);
  });
  afterAll(() => {
    if (directory !== "") rmSync(directory, { recursive: true, force: true });
  });

  const rootOf = (name: string) => join(directory, name);

  /** Runs lines of shell in a folder of the user's home, which must succeed, prints their times, and returns the outputs. */
  async function inHome(root: string, folder: string, lines: readonly string[]): Promise<readonly string[]> {
    execFileSync("chown", ["-R", "1000:1000", join(root, "home", USER)]);
    const session = await DebianSession.open(root);
    const steps: [name: string, step: Step][] = [];
    try {
      for (const line of lines) {
        const step = await session.run(LIMIT, "sh", "-c", `cd ${folder} && ${line}`);
        expect({ line, status: step.status, end: `${step.stdout}${step.stderr}`.slice(-2000) }).toMatchObject({
          status: 0,
        });
        steps.push([line, step]);
      }
    } finally {
      await session.close();
    }
    process.stdout.write(stepTable(steps));
    return steps.map(([, { stdout }]) => stdout);
  }

  it("runs the demo of a clone, and a container with it", async () => {
    const root = rootOf("demo");
    execFileSync("git", ["clone", "-q", "--depth=1", `file://${packageRoot()}`, join(root, "home", USER, "guestd")]);
    const run = "./guestctl run build/demo/busybox.tar echo hello";
    const [demo, hello, again] = await inHome(root, "guestd", ["npm run demo --yes", run, run]);
    expect(demo).toMatch(/^All of it worked, in /m);
    expect([hello, again]).toEqual(["hello\n", "hello\n"]);
  });

  it("runs a container from the packages, with a Node of its own", async () => {
    const root = rootOf("packages");
    const project = join(root, "home", USER, "project");
    const release = join(directory, "release");
    buildRelease(release);
    mkdirSync(project);
    const tarballs = globSync("{guestd-[0-9],guestd-guest-}*.tgz", { cwd: release });
    expect(tarballs).toHaveLength(2);
    for (const name of tarballs) cpSync(join(release, name), join(project, basename(name)));
    // Debian 12 has Node 18; this one doesn't read the system's certificates by itself.
    writeFileSync(join(root, "home", USER, ".npmrc"), "cafile=/etc/ssl/certs/ca-certificates.crt\n");
    cpSync(process.execPath, join(root, "usr/local/bin/node"));
    const image = `node_modules/guestd-guest-linux-${process.arch}/busybox.tar`;
    const run = `npx guestctl run ${image} echo hello`;
    const install = `npm install ${tarballs.map((name) => `./${name}`).join(" ")}`;
    const outputs = await inHome(root, "project", [install, "npx guestctl setup --yes", run, run]);
    expect(outputs[1]).toContain(`ready; try: `);
    expect(outputs.slice(2)).toEqual(["hello\n", "hello\n"]);
  });
});
