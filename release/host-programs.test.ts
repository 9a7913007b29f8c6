import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { packageRoot } from "../lib/package-root.ts";
import { cratesOf } from "./crates.ts";
import { hostPrograms } from "./host-programs.ts";
import { crate } from "./testing/crate.ts";

let tools = "";
beforeEach(() => {
  tools = mkdtempSync(join(tmpdir(), "guestd-host-programs-"));
  mkdirSync(join(tools, "bin"));
});
afterEach(() => rmSync(tools, { recursive: true }));

/** Writes a program as set-up does after cargo, built from the crates `program` and "used". */
function install(program: string, from: string): void {
  copyFileSync(from, join(tools, "bin", program));
  const crates = [crate(program, "1.0.0", "Apache-2.0 AND BSD-3-Clause", "bin"), crate("used", "0.2.1", "MIT")];
  const packages = crates.map((one) => {
    const folder = join(tools, one.name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "LICENSE-MIT"), "permission is granted");
    return { ...one, manifest_path: join(folder, "Cargo.toml") };
  });
  const nodes = [{ id: program, deps: [{ pkg: "used", dep_kinds: [{ kind: null }] }] }];
  writeFileSync(join(tools, `${program}.json`), JSON.stringify({ packages, resolve: { root: program, nodes } }));
}

test("names the crates and licences of the host's programs, and each once", async () => {
  const init = join(packageRoot(), "build/native/init");
  for (const program of ["vhost-device-vsock", "virtiofsd"]) install(program, init);
  const { files, sources, notices } = await hostPrograms(tools);
  expect(files.map(({ path, mode }) => [path, mode])).toEqual([
    ["vhost-device-vsock", 0o755],
    ["virtiofsd", 0o755],
  ]);
  const used = sources.filter(({ id }) => id === "cargo:used@0.2.1");
  expect(used.map(({ within }) => within)).toEqual([["vhost-device-vsock", "virtiofsd"]]);
  expect(notices.match(/permission is granted/g)).toHaveLength(1);
  expect(notices).toContain("virtiofsd 1.0.0 (Apache-2.0 AND BSD-3-Clause)");
});

test("refuses a program that isn't there or isn't static, or whose licences are gone", async () => {
  await expect(hostPrograms(tools)).rejects.toThrow(
    `${tools}/bin/vhost-device-vsock: there is no such program; sh host/setup/setup.sh release builds it`,
  );
  for (const program of ["vhost-device-vsock", "virtiofsd"]) install(program, join(packageRoot(), "build/native/init"));
  rmSync(join(tools, "used"), { recursive: true });
  await expect(hostPrograms(tools)).rejects.toThrow(
    `${tools}/used: the crate's sources are gone; remove ${tools}, and`,
  );
  install("vhost-device-vsock", "/bin/ls");
  await expect(hostPrograms(tools)).rejects.toThrow(
    `${tools}/bin/vhost-device-vsock: not linked statically; remove it`,
  );
});

test("counts the crates that a program contains: not macros, nor what builds or tests it", () => {
  const names = ["program", "library", "macro", "parser", "builder", "tester"];
  const packages = names.map((name) => crate(name, "1.0.0", "MIT", name === "macro" ? "proc-macro" : "lib"));
  const needs = (pkg: string, kind: string | null = null) => ({ pkg, dep_kinds: [{ kind }] });
  const nodes = [
    { id: "program", deps: [needs("library"), needs("builder", "build"), needs("tester", "dev")] },
    { id: "library", deps: [needs("macro"), needs("program")] },
    { id: "macro", deps: [needs("parser")] },
  ];
  const found = cratesOf({ packages, resolve: { root: "program", nodes } });
  expect(found.map(({ name }) => name)).toEqual(["program", "library"]);
});
