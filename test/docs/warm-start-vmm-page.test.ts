import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { type ApiDescription, readApi } from "../../host/machine/vmm/testing/api-description.ts";
import { CONFIG, cloudHypervisorModel } from "../../host/machine/vmm/testing/cloud-hypervisor-model.ts";
import { firecrackerModel } from "../../host/machine/vmm/testing/firecracker-model.ts";
import { startHybridAgent } from "../../host/machine/vmm/testing/hybrid-agent.ts";
import type { ScriptedVmm, VmmModel } from "../../host/machine/vmm/testing/scripted-vmm.ts";
import { testFolder, testVmm } from "../../host/machine/vmm/testing/vmm-folder.ts";
import { codeBlocks, page, repository, section } from "./pages.ts";

const run = promisify(execFile);
const text = page("docs/warm-start-vmm.md");
/** Folder in the page's samples; the tests use another. */
const GUESTS = "/srv/guests";

/** Creates the folders of a template guest and the programs that the samples start, and returns the root folder. */
function prepare(): { readonly root: string; sh(block: string): Promise<void> } {
  const root = testFolder();
  for (const name of ["web", "bin"]) mkdirSync(join(root, name));
  const curl = join(import.meta.dirname, "testdata/curl.mjs");
  const programs = {
    curl: `exec '${process.execPath}' '${curl}' "$@"`,
    firecracker: "exit",
    "cloud-hypervisor": "exit",
  };
  for (const [name, line] of Object.entries(programs)) {
    writeFileSync(join(root, "bin", name), `#!/bin/sh\n${line}\n`);
    chmodSync(join(root, "bin", name), 0o755);
  }
  const env = { PATH: [join(root, "bin"), process.env["PATH"]].join(delimiter) };
  return {
    root,
    async sh(block) {
      await run("sh", ["-euc", block.replaceAll(GUESTS, root)], { env });
    },
  };
}

/** Starts a pretended VMM; the clone's socket exists as soon as its folder does. */
async function vmmAt(root: string, name: string, api: ApiDescription, model: VmmModel): Promise<ScriptedVmm> {
  mkdirSync(join(root, name), { recursive: true });
  const vmm = await testVmm(join(root, name, "api.sock"), api, model);
  onTestFinished(() => expect(vmm.problems).toEqual([]));
  return vmm;
}

/** The part of a clone's sample that the test has done: creating the folder, where its API socket is. */
const withoutFolder = (block: string) => block.replace(`mkdir -m 700 ${GUESTS}/clone\n`, "");

test("Firecracker's samples take a snapshot and start a clone of it", async () => {
  const api = readApi("firecracker-api.yaml");
  const [snapshot = "", clone = "", ...more] = codeBlocks(section(text, "Firecracker"), "sh");
  expect(more).toEqual([]);
  const { root, sh } = prepare();
  const template = await vmmAt(root, "web", api, firecrackerModel("1.16.2", "Running"));
  await sh(snapshot);
  expect(template.seen.map(([operation]) => operation)).toEqual(["PATCH /vm", "PUT /snapshot/create", "PATCH /vm"]);
  const started = await vmmAt(root, "clone", api, firecrackerModel("1.16.2", "Not started"));
  await sh(withoutFolder(clone));
  expect(started.seen.map(([operation]) => operation)).toEqual(["PUT /snapshot/load", "PATCH /vm"]);
  expect(started.seen[0]?.[1]).toMatchObject({
    resume_vm: false,
    vsock_override: { uds_path: `${root}/clone/v.sock` },
  });
});

test("Cloud Hypervisor's samples take a snapshot and start a clone of it with its own resources", async () => {
  const api = readApi("cloud-hypervisor-api.yaml");
  const [snapshot = "", clone = "", ...more] = codeBlocks(section(text, "Cloud Hypervisor"), "sh");
  expect(more).toEqual([]);
  const { root, sh } = prepare();
  const config = {
    ...CONFIG,
    disks: null,
    net: [{ ...CONFIG.net[0], tap: "tap1" }],
    serial: { mode: "File", file: `${root}/web/serial.log` },
    vsock: { ...CONFIG.vsock, socket: `${root}/web/v.sock` },
  };
  const template = await vmmAt(root, "web", api, cloudHypervisorModel(api, "53.0.0", "Running", config));
  await sh(snapshot);
  const prefix = "PUT /api/v1/vm";
  expect(template.seen.map(([operation]) => operation)).toEqual(
    ["pause", "snapshot", "resume"].map((name) => `${prefix}.${name}`),
  );
  const started = await vmmAt(root, "clone", api, cloudHypervisorModel(api, "53.0.0", "none", config));
  await sh(clone.replace(`${GUESTS}/clone ${GUESTS}/clone/snapshot`, `${GUESTS}/clone/snapshot`));
  expect(started.seen.map(([operation]) => operation)).toEqual([`${prefix}.restore`, `${prefix}.resume`]);
  expect(JSON.parse(readFileSync(join(root, "clone/snapshot/config.json"), "utf8"))).toEqual({
    ...config,
    net: [{ ...CONFIG.net[0], tap: "tap2" }],
    serial: { mode: "File", file: `${root}/clone/serial.log` },
    vsock: { ...CONFIG.vsock, socket: `${root}/clone/v.sock` },
  });
});

test("a sample stops at a request that the VMM refuses", async () => {
  const [snapshot = ""] = codeBlocks(section(text, "Firecracker"), "sh");
  const { root, sh } = prepare();
  const vmm = await vmmAt(root, "web", readApi("firecracker-api.yaml"), firecrackerModel("1.16.2", "Not started"));
  await expect(sh(snapshot)).rejects.toThrow("Command failed");
  expect(vmm.seen).toHaveLength(1);
});

/** The page's program as a file of the repository, whose types `npm run check` compares. */
const PROGRAM = join(import.meta.dirname, "testdata/warm-start-vmm.ts");

test("the program on the page takes a snapshot and starts a clone of it", async () => {
  const [program = ""] = codeBlocks(text, "typescript");
  expect(readFileSync(PROGRAM, "utf8")).toBe(program.replace('"./host/', '"../../../host/'));
  const { root } = prepare();
  mkdirSync(join(root, "template"));
  for (const name of ["vmlinux", "guest.squashfs"]) writeFileSync(join(root, name), name);
  const api = readApi("firecracker-api.yaml");
  const template = await vmmAt(root, "web", api, firecrackerModel("1.16.2", "Running"));
  const clone = await vmmAt(root, "clone", api, firecrackerModel("1.16.2", "Not started"));
  const losses = [{ kind: "connection", object: "cid 2", consequence: "it is closed" }];
  const calls = { Quiesce: () => ({ epoch: 1, losses }), Resumed: ({ epoch }: { epoch?: unknown }) => ({ epoch }) };
  for (const name of ["web", "clone"]) {
    const agent = await startHybridAgent(join(root, name, "v.sock"), calls as never);
    onTestFinished(() => agent[Symbol.asyncDispose]());
  }
  const file = join(root, "mine.ts");
  writeFileSync(file, program.replaceAll(GUESTS, root).replace('"./', `"${repository}/`));
  const env = { ...process.env, GUESTD_CACHE: join(root, "cache") };
  const { stdout } = await run(process.execPath, [file], { cwd: dirname(file), env });
  expect(stdout).toBe("connection cid 2: it is closed\nfirecracker 1.16.2: a clone with epoch 2\n");
  expect(template.seen.map(([operation]) => operation)).toEqual([
    "GET /",
    "PATCH /vm",
    "PUT /snapshot/create",
    "PATCH /vm",
  ]);
  expect(clone.seen.map(([operation]) => operation)).toEqual(["GET /", "GET /", "PUT /snapshot/load", "PATCH /vm"]);
});
