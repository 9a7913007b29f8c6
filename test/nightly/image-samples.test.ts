import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks, page, repository, section } from "../docs/pages.ts";
import { makeSampleImage, runLines } from "../vm/testing/sample-lines.ts";

describe("the command lines in the docs", () => {
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "samples-"));
    await makeSampleImage();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

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
