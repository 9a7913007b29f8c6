import { execFile, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startScriptedServer } from "../../host/conversation/testing/scripted-server.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";

const guestctl = join(import.meta.dirname, "../../host/cli/guestctl.sh");

/** Returns every option that this Node knows, alone and with a file of the folder as its value. */
function nodeOptions(): readonly string[] {
  const help = spawnSync(process.execPath, ["--help"], { encoding: "utf8" }).stdout.matchAll(
    /(?<=[ ,])--?[a-z][\w-]*/g,
  );
  const names = new Set([...[...help].map(([name]) => name), ...process.allowedNodeEnvironmentFlags]);
  return [...names].flatMap((name) => [name, `${name}=.env`, `${name}=node.config.json`]);
}

/**
 * Runs guestctl with an agent that notes the arguments of processes, in a folder with files that make Node run a program.
 * Returns these arguments, and whether that program ran.
 */
async function run(line: (address: string) => readonly string[]) {
  const folder = makeWorkDirectory("node-options");
  const [planted, ran] = [join(folder, "planted.cjs"), join(folder, "ran")];
  writeFileSync(planted, `require("node:fs").writeFileSync(${JSON.stringify(ran)}, "");\n`);
  writeFileSync(join(folder, ".env"), `NODE_OPTIONS="--require ${planted}"\n`);
  writeFileSync(join(folder, "node.config.json"), JSON.stringify({ nodeOptions: { import: [planted] } }));
  let args: readonly string[] | undefined;
  const note = (request: object) => {
    const { process, OCI } = request as { process?: { Args: string[] }; OCI?: { Process: { Args: string[] } } };
    args = (process ?? OCI?.Process)?.Args;
    throw new Error("noted");
  };
  const agent = await startScriptedServer({
    ...{ Check: () => ({ status: "SERVING" }), Version: () => ({}), CreateSandbox: () => ({}) },
    ...{ ExecProcess: note, CreateContainer: note },
  });
  await using _ = agent;
  const env = { PATH: process.env["PATH"], HOME: folder, XDG_RUNTIME_DIR: folder, NO_COLOR: "1" };
  const stderr = await new Promise<string>((resolve) => {
    execFile(guestctl, line(agent.address), { cwd: folder, env, timeout: 60_000 }, (_error, _out, text) =>
      resolve(text),
    );
  });
  return { args, ran: existsSync(ran), stderr };
}

const PROGRAM = ["node", "\\", "\\-", "-", "a b", "--", ...nodeOptions()];

test.each<[string, (address: string) => readonly string[]]>([
  ["exec", (address) => ["exec", "--address", address, "web", ...PROGRAM]],
  ["run", (address) => ["run", "--address", address, "--rootfs", "/root", ...PROGRAM]],
  ["debug", (address) => ["debug", "--address", address, "--rootfs", "/root", "web", "--", ...PROGRAM]],
])("passes every option of Node through guestctl %s, and Node itself takes none", async (_, line) => {
  expect(await run(line)).toMatchObject({ args: PROGRAM, ran: false });
});

test.each([
  "--env-file=.env",
  "--env-file .env",
  "--env-file-if-exists=.env",
  "--experimental-config-file=node.config.json",
  "--experimental-default-config-file",
])("runs no program of the host's folder that %s leads Node to", async (text) => {
  const words = text.split(" ");
  const line = (address: string) => ["exec", "--address", address, "web", "node", ...words, "app.js"];
  expect(await run(line)).toMatchObject({ args: ["node", ...words, "app.js"], ran: false });
});
