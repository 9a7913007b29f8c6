import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../host/image/make-image.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { codeBlocks, page, pages, repository, section } from "../docs/pages.ts";

const run = promisify(execFile);

/**
 * Returns the environment of a reader with the oldest Node that package.json accepts, which can't run TypeScript: this
 * machine's if it has one, otherwise a script that refuses TypeScript in the same way.
 */
function withOldNode(directory: string): NodeJS.ProcessEnv {
  const bin = join(directory, "old-node");
  const path = process.env["PATH"] ?? "";
  if (!existsSync(bin)) {
    mkdirSync(bin);
    const old = path
      .split(":")
      .map((folder) => join(folder, "node"))
      .find(isOld);
    const refusal = `case "$*" in *.ts*) echo ERR_UNKNOWN_FILE_EXTENSION >&2; exit 1 ;; esac; exec "${process.execPath}" "$@"`;
    if (old === undefined) writeFileSync(join(bin, "node"), `#!/bin/sh\n${refusal}\n`, { mode: 0o755 });
    else symlinkSync(old, join(bin, "node"));
  }
  return { ...process.env, PATH: `${bin}:${path}` };
}

/** True for a Node that can't run TypeScript directly. */
function isOld(node: string): boolean {
  if (!existsSync(node)) return false;
  const [major = 0, minor = 0] = execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" })
    .split(".")
    .map(Number);
  return major < 22 || (major === 22 && minor < 18);
}

describe("the programs in the docs", () => {
  const programs = [...pages].flatMap(([path, text]) =>
    codeBlocks(text, "ts").map((code, index) => ({ name: `${path} ${index + 1}`, code })),
  );
  let directory = "";
  beforeAll(() => {
    directory = makeWorkDirectory("samples");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("exist", () => expect(programs.length).toBeGreaterThan(0));

  it.each(programs)("have no type errors and run ($name)", async ({ name, code }) => {
    const file = join(directory, `${name.replaceAll(/\W+/g, "-")}.ts`);
    // Their reader runs them in the repository's folder.
    writeFileSync(file, code.replaceAll('from "./', `from "${repository}/`));
    const config = join(directory, "tsconfig.json");
    const extended = join(repository, "tsconfig.json");
    writeFileSync(config, JSON.stringify({ extends: extended, files: [file], include: [], exclude: [] }));
    const compiler = join(repository, "node_modules/typescript-native/bin/tsc");
    await run(process.execPath, [compiler, "--project", config]);
    const { stdout } = await run("npx", ["node", file], { cwd: repository, env: withOldNode(directory) });
    expect(stdout).toMatch(/^guestd \d+\.\d+\.\d+, \d{3,} lines of metrics\n$/);
  });
});

describe("the command lines in the docs", () => {
  const image = join(repository, "build/demo/busybox.tar");
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "samples-"));
    if (existsSync(image)) return;
    mkdirSync(dirname(image), { recursive: true });
    await makeBusyboxImage(image);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs a page's lines one after the other, with guestctl for `npx guestctl`. Returns the output of each. */
  async function runLines(blocks: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const guestctl = join(repository, "host/cli/guestctl.sh");
    const env = { ...withOldNode(directory), XDG_RUNTIME_DIR: directory, NO_COLOR: "1" };
    const printed = new Map<string, string>();
    for (const line of blocks.join("").trim().split("\n")) {
      // npx takes half a second, so it runs once.
      const command = printed.size === 0 ? line : line.replace(/^npx guestctl/, guestctl);
      const { stdout } = await run("/bin/sh", ["-c", command], { cwd: repository, env });
      printed.set(line.replace(/^npx guestctl (\w+).*$/, `$1${printed.size}`), stdout);
    }
    return printed;
  }

  it("of README.md print what it says", async () => {
    const [run, id, release, cp, stop] = [...(await runLines(codeBlocks(page("README.md"), "sh"))).values()];
    expect([run, id, cp, stop]).toEqual(["hello\n", "web\n", "", "web\n"]);
    expect(release).toMatch(/^6\.\d+/);
  });

  it("of docs/image-recipes.md build a guest with one more package and file", async () => {
    const [recipe = ""] = codeBlocks(section(page("docs/image-recipes.md"), "A guest of your own"), "yaml");
    const [prepare = "", ...walk] = codeBlocks(page("docs/image-recipes.md"), "sh");
    rmSync(join(repository, "build/walk"), { recursive: true, force: true });
    await runLines([prepare]);
    writeFileSync(join(repository, "build/walk/mine.yaml"), recipe);
    const [, built, boot, version, id, note, stop] = (await runLines(walk)).values();
    expect(built).toMatch(/^ {2}packages jq +\d{4} KiB$/m);
    const lock = JSON.parse(readFileSync(join(repository, "build/walk/mine.lock.json"), "utf8"));
    expect(lock).toMatchObject({
      node: { version: expect.stringMatching(/^24\./) },
      kernel: { release: expect.stringMatching(/^\d+\./) },
      closures: { jq: expect.arrayContaining(["jq", "libc6", "libjq1"]) },
      packages: { libc6: { sha256: expect.stringMatching(/^\w{64}$/) }, iptables: expect.anything() },
    });
    expect(boot).toMatch(/^walk {2}\S+:1024 /);
    expect(version).toMatch(/^jq-1\.\d/);
    expect([id, note, stop]).toEqual(["box\n", '"hello from my recipe"\n', "walk\n"]);
  });

  it("of docs/guestctl.md print what it says", async () => {
    const printed = await runLines(codeBlocks(page("docs/guestctl.md"), "sh"));
    expect([...printed.keys()].map((key) => key.replace(/\d+$/, ""))).toEqual([
      "run",
      "run",
      "boot",
      "run",
      "exec",
      "ps",
      "stats",
      "pause",
      "unpause",
      "update",
      "stats",
      "cp",
      "exec",
      "explain",
      "metrics",
      "run",
      "wait",
      "logs",
      "ps",
      "rm",
      "agent",
      "stop",
    ]);
    const [who, env, boot, id, ps, list, all, ...rest] = [...printed.values()];
    const [pause, unpause, update, stats, cp, copied, explain, metrics, ...more] = rest;
    const [job, code, output, ended, removed, agent, stop] = more;
    expect(who).toMatch(/^root on 6\.\d+/);
    expect(env).toContain("NAME=value\n");
    expect(boot).toMatch(/^docs {2}\S+:1024 {2}\(512 MiB, 1 CPU, (tcg|kvm)\)\nQEMU 0 → kernel .* first answer .* s\n$/);
    expect(id).toBe("sleeper\n");
    expect(ps).toMatch(/1 root +sleep 1000/);
    expect(list).toMatch(/^GUEST .*\ndocs +sleeper +init +running/);
    expect(all).toMatch(/^docs +sleeper +- +/m);
    expect([pause, unpause, update]).toEqual(["sleeper\n", "sleeper\n", "sleeper\n"]);
    expect(stats).toMatch(/^memory .*limit 100 MiB/m);
    expect([cp, copied]).toEqual(["", "README.md\ndocs\n"]);
    expect(explain).toMatch(/^execve +sleep 1000 +process\.args$/m);
    expect(metrics).toMatch(/^kata_guest_meminfo\{item="mem_total"\} \d+$/m);
    expect([job, code, removed]).toEqual(["job\n", "3\n", "job\n"]);
    expect(output).toContain("guestctl.md\n");
    expect(ended).toMatch(/^docs +job +init +exited \(3\)/m);
    expect(agent).toMatch(/^agent 1 was killed, agent 2 answers/);
    expect(stop).toBe("docs\n");
  });
});
