import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { codeBlocks, page, pages, repository, section } from "../docs/pages.ts";
import { makeSampleImage, runLines, withOldNode } from "./testing/sample-lines.ts";

const run = promisify(execFile);

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
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "samples-"));
    await makeSampleImage();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("of README.md print what it says", async () => {
    const [run, id, release, cp, stop] = [...(await runLines(directory, codeBlocks(page("README.md"), "sh"))).values()];
    expect([run, id, cp, stop]).toEqual(["hello\n", "web\n", "", "web\n"]);
    expect(release).toMatch(/^6\.\d+/);
  });

  it("of docs/image-recipes.md build a guest with one more package and file", async () => {
    const [recipe = ""] = codeBlocks(section(page("docs/image-recipes.md"), "A guest of your own"), "yaml");
    const [prepare = "", ...walk] = codeBlocks(page("docs/image-recipes.md"), "sh");
    rmSync(join(repository, "build/walk"), { recursive: true, force: true });
    await runLines(directory, [prepare]);
    writeFileSync(join(repository, "build/walk/mine.yaml"), recipe);
    const [, built, boot, version, id, note, stop] = (await runLines(directory, walk)).values();
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
});
