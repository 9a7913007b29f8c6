import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const here = import.meta.dirname;
const units = readdirSync(here).filter((name) => /\.(service|target)$/.test(name));
const there = spawnSync("systemd-analyze", ["--version"]).status === 0;

describe(`the units of an image with systemd${there ? "" : " (skipped: systemd-analyze is not installed)"}`, {
  skip: !there,
}, () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "guestd-units-"));
    mkdirSync(join(root, "units"));
    writeFileSync(join(root, "init"), "", { mode: 0o755 });
    for (const name of units) {
      copyFileSync(join(here, name), join(root, "units", name));
      change(name, "/usr/lib/guestd/init", join(root, "init"));
    }
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function change(name: string, from: string, to: string): void {
    const path = join(root, "units", name);
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
  }
  /** Returns systemd's warnings about the units. It finds its own units where they are installed. */
  function verify(): string {
    const paths = units.map((name) => join(root, "units", name));
    const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...paths], { encoding: "utf8" });
    return stderr;
  }

  test("cause no warning from systemd", () => {
    expect(units).toEqual(["kata-agent.service", "kata-containers.target"]);
    expect(verify()).toBe("");
  });

  test("would cause one for an unknown word or a missing program", () => {
    change("kata-agent.service", "KillMode=mixed", "KillMode=mixd");
    change("kata-containers.target", "AllowIsolate=", "AllowIsolation=");
    expect(verify()).toMatch(/kata-agent\.service:\d+: Failed to parse kill mode[\s\S]*Unknown key 'AllowIsolation'/);
    rmSync(join(root, "init"));
    expect(verify()).toContain("is not executable: No such file or directory");
  });
});
