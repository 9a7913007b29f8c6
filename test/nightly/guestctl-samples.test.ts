import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks, page } from "../docs/pages.ts";
import { makeSampleImage, runLines } from "../vm/testing/sample-lines.ts";

describe("the command lines in the docs", () => {
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "samples-"));
    await makeSampleImage();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("of docs/guestctl.md print what it says", async () => {
    const printed = await runLines(directory, codeBlocks(page("docs/guestctl.md"), "sh"));
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
      "boot",
      "run",
      "run",
      "stop",
      "run",
      "run",
      "volume",
      "volume",
    ]);
    const [who, env, boot, id, ps, list, all, ...rest] = [...printed.values()];
    const [pause, unpause, update, stats, cp, copied, explain, metrics, ...more] = rest;
    const [job, code, output, ended, removed, agent, stop, ...last] = more;
    const [disks, volumes] = [last.slice(0, 4), last.slice(4)];
    expect(who).toMatch(/^root on 6\.\d+/);
    expect(env).toContain("NAME=value\n");
    expect(boot).toMatch(/^docs {2}\S+:1024 {2}\(512 MiB, 1 CPU, (tcg|kvm)\)\nQEMU 0 → kernel .* first answer .* s\n$/);
    expect(id).toBe("sleeper\n");
    expect(ps).toMatch(/1 root +sleep 1000/);
    expect(list).toMatch(/^GUEST .*\ndocs +sleeper +init +running/);
    expect(all).toMatch(/^docs +sleeper +\d+\.\d % +/m);
    expect([pause, unpause, update]).toEqual(["sleeper\n", "sleeper\n", "sleeper\n"]);
    expect(stats).toMatch(/^memory .*limit 100 MiB/m);
    expect([cp, copied]).toEqual(["", "README.md\ndocs\n"]);
    expect(explain).toMatch(/^(- +)?execve +sleep 1000 +process\.args$/m);
    expect(metrics).toMatch(/^kata_guest_meminfo\{item="mem_total"\} \d+$/m);
    expect([job, code, removed]).toEqual(["job\n", "3\n", "job\n"]);
    expect(output).toContain("guestctl.md\n");
    expect(ended).toMatch(/^docs +job +init +exited \(3\)/m);
    expect(agent).toMatch(/^agent 1 was killed, agent 2 answers/);
    expect(stop).toBe("docs\n");
    expect(disks.slice(1)).toEqual([expect.stringMatching(/^overlay \/ overlay rw/), "/bin/ls\n", "disks\n"]);
    expect(volumes).toEqual([
      "",
      expect.stringMatching(/ 20\d\d\n$/),
      expect.stringMatching(/^notes +\d+ s$/m),
      "notes\n",
    ]);
  });
});
