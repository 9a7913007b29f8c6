import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import type { CreateOptions, Exec, Sandbox, SandboxEvent } from "../../host/sdk/index.ts";
import type { Mock } from "../../host/sdk/mock/index.ts";

/** Where a scenario of the SDK runs: a mock, an agent of this machine, or guests. */
export interface SdkWorld {
  readonly Sandbox: typeof Sandbox;
  create(options?: Partial<CreateOptions>): Promise<Sandbox>;
}

interface SdkScenario {
  readonly name: string;
  /** Scripts what the container does. */
  play?(mock: Mock): void;
  run(world: SdkWorld): Promise<void>;
}

const codeOf = (work: () => unknown): Promise<string> =>
  (async () => work())().then(
    () => "none",
    (error: { code?: string }) => error.code ?? String(error),
  );

/** The same for the mock and for the real thing: what a program sees of one it sees of the other. */
export const sdkScenarios: readonly SdkScenario[] = [
  {
    name: "returns exit code and both outputs of a line, and a non-zero exit is a value",
    play: (mock) => mock.on("echo out; echo err >&2; exit 3", { stdout: "out\n", stderr: "err\n", exitCode: 3 }),
    async run({ create }) {
      await using sandbox = await create();
      const result = await sandbox.exec("echo out; echo err >&2; exit 3");
      expect(result.toJSON()).toEqual({ exitCode: 3, signal: 0, stdout: "out\n", stderr: "err\n" });
      expect(() => result.orThrow()).toThrow(/exit code 3: err; /);
      expect(await codeOf(() => sandbox.exec("echo out; echo err >&2; exit 3").orThrow())).toBe("exit");
    },
  },
  {
    name: "passes words, environment, directory and user as they are",
    play(mock) {
      mock.on(["printf", "%s|", "a b", "$HOME", "'"].join(" "), "a b|$HOME|'|");
      mock.on("echo $NAME $OWN $PWD $(id -u)", ({ env, cwd, user, stdout }) => {
        return stdout(`${env["NAME"]} ${env["OWN"]} ${cwd} ${user}\n`).then(() => 0);
      });
    },
    async run({ create }) {
      await using sandbox = await create({ env: { OWN: "mine" } });
      expect((await sandbox.exec(["printf", "%s|", "a b", "$HOME", "'"])).stdout).toBe("a b|$HOME|'|");
      const exec = sandbox.exec("echo $NAME $OWN $PWD $(id -u)", { env: { NAME: "value" }, cwd: "/tmp", user: "1000" });
      expect((await exec).stdout).toBe("value mine /tmp 1000\n");
    },
  },
  {
    name: "yields chunks of both outputs as they come",
    play: (mock) =>
      mock.on("echo one; read line; echo $line >&2", async ({ stdin, stdout, stderr }) => {
        await stdout("one\n");
        await stderr(await text(stdin));
        return 0;
      }),
    async run({ create }) {
      await using sandbox = await create();
      const exec = sandbox.exec("echo one; read line; echo $line >&2", { stdin: true });
      const seen: string[] = [];
      for await (const { stream, text } of exec) {
        seen.push(`${stream}: ${text}`);
        if (seen.length === 1) exec.stdin.end("two\n");
      }
      expect(seen).toEqual(["stdout: one\n", "stderr: two\n"]);
      const { exitCode, stdout, taken } = await exec;
      expect({ exitCode, stdout, taken }).toEqual({ exitCode: 0, stdout: "", taken: ["stdout", "stderr"] });
    },
  },
  {
    name: "sends text, bytes and streams as input",
    play: (mock) => mock.on("cat", async ({ stdin, stdout }) => void (await stdout(await text(stdin)))),
    async run({ create }) {
      await using sandbox = await create();
      expect((await sandbox.exec(["cat"], { stdin: "typed" })).stdout).toBe("typed");
      expect((await sandbox.exec(["cat"], { stdin: Buffer.from("bytes") })).stdout).toBe("bytes");
      const pieces = async function* () {
        yield "in ";
        yield Buffer.from("pieces");
      };
      expect((await sandbox.exec(["cat"], { stdin: pieces() })).stdout).toBe("in pieces");
      expect((await sandbox.exec(["cat"])).stdout).toBe("");
      const broken = async function* () {
        yield "a";
        throw new Error("the source is gone");
      };
      await expect(sandbox.exec(["cat"], { stdin: broken() })).rejects.toThrow(/input of .*: the source is gone/);
    },
  },
  {
    name: "gives stdout as a stream while stderr is collected",
    play: (mock) => mock.on("echo err >&2; echo out", { stdout: "out\n", stderr: "err\n" }),
    async run({ create }) {
      await using sandbox = await create();
      const exec = sandbox.exec("echo err >&2; echo out");
      expect(await text(exec.stdout)).toBe("out\n");
      const { stderr, taken } = await exec;
      expect({ stderr, taken }).toEqual({ stderr: "err\n", taken: ["stdout"] });
    },
  },
  {
    name: "kills a command at its limit, by its signal and by hand",
    play: (mock) =>
      mock.on(/^sleep/, ({ killed }) => new Promise((resolve) => killed.addEventListener("abort", () => resolve(0)))),
    async run({ create }) {
      await using sandbox = await create();
      const late = sandbox.exec(["sleep", "1000"], { timeoutMs: 200 });
      await expect(late).rejects.toMatchObject({ code: "timeout", remedy: expect.stringMatching(/timeoutMs/) });
      const stop = new AbortController();
      const aborted = sandbox.exec(["sleep", "1000"], { signal: stop.signal });
      await aborted.started();
      stop.abort();
      expect(await codeOf(() => aborted)).toBe("aborted");
      const killed = sandbox.exec(["sleep", "1000"]);
      await killed.started();
      expect(await codeOf(() => killed.wait({ timeoutMs: 50 }))).toBe("timeout");
      await killed.kill("SIGTERM");
      expect(await killed.wait()).toEqual({ exitCode: 143, signal: 15 });
      await killed.kill();
    },
  },
  {
    name: "refuses to collect more than its limit, and says so",
    play: (mock) => mock.on(/^head/, { stdout: Buffer.alloc(200_000) }),
    async run({ create }) {
      await using sandbox = await create();
      const exec = sandbox.exec("head -c 200000 /dev/zero", { maxOutputBytes: 100_000 });
      await expect(exec).rejects.toMatchObject({
        code: "limit",
        message: expect.stringMatching(/over 100000 bytes.*maxOutputBytes/),
      });
      expect((await sandbox.exec("head -c 200000 /dev/zero")).stdoutBytes).toHaveLength(200_000);
    },
  },
  {
    name: "continues at a position with another exec, without losing or repeating a byte",
    play: (mock) =>
      mock.on("seq 1 2000; read line; echo $line", async ({ stdin, stdout }) => {
        for (let first = 1; first <= 2000; first += 500) {
          await stdout(Array.from({ length: 500 }, (_, at) => `${first + at}\n`).join(""));
        }
        return { stdout: await text(stdin) };
      }),
    async run({ create, Sandbox }) {
      await using sandbox = await create();
      const first = sandbox.exec("seq 1 2000; read line; echo $line", { stdin: true });
      let seen = "";
      for await (const chunk of first) {
        seen += chunk.text;
        break;
      }
      const position = JSON.parse(JSON.stringify(first.position));
      first.detach();
      expect(await codeOf(() => first)).toBe("aborted");
      await using other = await Sandbox.connect(sandbox.address, { container: sandbox.name });
      const second = other.attach(position, { stdin: true });
      second.stdin.end("typed\n");
      const { exitCode, stdout } = await second;
      const numbers = Array.from({ length: 2000 }, (_, at) => `${at + 1}\n`).join("");
      expect(exitCode).toBe(0);
      expect(seen + stdout).toBe(`${numbers}typed\n`);
      expect(await codeOf(() => sandbox.attach({ ...position, stdout: -1 }))).toBe("invalid-argument");
    },
  },
  {
    name: "reads, writes, lists and removes files",
    async run({ create }) {
      await using sandbox = await create({ files: { "/data/made/first": "before" } });
      const { files } = sandbox;
      expect(await files.read("/data/made/first", { encoding: "utf8" })).toBe("before");
      const bytes = Buffer.from([0, 255, 10, 13, 0]);
      await files.write("/data/bytes", bytes, { mode: 0o600 });
      expect(Buffer.from(await files.read("/data/bytes"))).toEqual(bytes);
      expect(await files.stat("/data/bytes")).toMatchObject({ name: "bytes", type: "file", size: 5, mode: 0o600 });
      await files.write("/data/bytes", "more", { how: "append" });
      expect(await text(files.stream("/data/bytes") as AsyncIterable<Buffer>)).toHaveLength(9);
      expect(await codeOf(() => files.write("/data/bytes", "", { how: "create" }))).toBe("already-exists");
      expect(await codeOf(() => files.read("/data/none"))).toBe("not-found");
      expect(await codeOf(() => files.read("/data"))).toBe("invalid-argument");
      expect(await codeOf(() => files.read("/data/bytes", { maxBytes: 8 }))).toBe("limit");
      await files.mkdir("/data/folder");
      expect(await codeOf(() => files.mkdir("/data/folder"))).toBe("already-exists");
      await files.mkdir("/data/folder/a/b", { parents: true });
      await files.rename("/data/bytes", "/data/folder/moved");
      expect(await codeOf(() => files.rename("/data/made", "/data/folder"))).toBe("already-exists");
      const names = (await files.list("/data/folder")).map(({ name, type }) => `${name} ${type}`).sort();
      expect(names).toEqual(["a directory", "moved file"]);
      await files.remove("/data/folder/moved");
      expect([await files.exists("/data/folder/moved"), await files.exists("/data/folder")]).toEqual([false, true]);
      await files.remove("/data/folder", { recursive: true });
      expect((await files.list("/data")).map(({ name }) => name)).toEqual(["made"]);
    },
  },
  {
    name: "copies directories in and out",
    async run({ create }) {
      await using sandbox = await create();
      const local = mkdtempSync(join(tmpdir(), "guestd-sdk-"));
      try {
        writeFileSync(join(local, "file"), "content");
        await sandbox.files.upload(local, "/root/copied");
        expect(await sandbox.files.read("/root/copied/file", { encoding: "utf8" })).toBe("content");
        const report = await sandbox.files.download("/root/copied", join(local, "back"));
        expect(readFileSync(join(local, "back/file"), "utf8")).toBe("content");
        expect(report).toEqual({ members: 2, notes: [] });
        expect(await codeOf(() => sandbox.files.upload(join(local, "none"), "/root"))).toBe("not-found");
      } finally {
        rmSync(local, { recursive: true });
      }
    },
  },
  {
    name: "reports what changes in a directory",
    async run({ create }) {
      await using sandbox = await create({ files: { "/watched/old": "1" } });
      const { files } = sandbox;
      const watching = files.watch("/watched", { intervalMs: 20 })[Symbol.asyncIterator]();
      const next = async () => {
        const { value } = await watching.next();
        return `${value?.action} ${value?.file.name}`;
      };
      let hasLooked = false;
      const first = next().finally(() => {
        hasLooked = true;
      });
      for (let count = 0; !hasLooked; count++) await files.write(`/watched/first-${count}`, "");
      expect(await first).toMatch(/ first-/);
      const steps = [
        ["created new", () => files.write("/watched/new", "1")],
        ["changed new", () => files.write("/watched/new", "longer")],
        ["removed old", () => files.remove("/watched/old")],
      ] as const;
      for (const [change, step] of steps) {
        await step();
        let seen = await next();
        for (; seen !== change; seen = await next()) expect(seen).toMatch(/ first-|^changed new$/); // half written
      }
      const last = next();
      last.catch(() => undefined);
      await sandbox.stop();
      expect(await codeOf(() => last)).toBe("stopped");
    },
  },
  {
    name: "forwards a port to a server in the sandbox, once it listens",
    play(mock) {
      mock.on(/^nc/, ({ killed }) => {
        mock.listen(4000, (connection) => connection.end("hello\n"));
        return new Promise((resolve) => killed.addEventListener("abort", () => resolve(0)));
      });
    },
    async run({ create }) {
      await using sandbox = await create();
      await using _server = sandbox.exec("nc -ll -p 4000 -e echo hello");
      await sandbox.waitForPort(4000, { timeoutMs: 30_000 });
      expect((await sandbox.ports()).map(({ port }) => port)).toContain(4000);
      await using forward = await sandbox.forward({ to: 4000 });
      expect(forward.address).toBe(`127.0.0.1:${forward.port}`);
      const socket = connectSocket(forward.port, "127.0.0.1");
      expect(await text(socket)).toBe("hello\n");
      const refusals: Error[] = [];
      await using nowhere = await sandbox.forward({ to: 4001, onError: (error) => void refusals.push(error) });
      const refused = connectSocket(nowhere.port, "127.0.0.1").on("error", () => undefined);
      await new Promise((resolve) => refused.once("close", resolve));
      await expect.poll(() => refusals.length).toBe(1);
      expect(await codeOf(() => sandbox.forward({ to: 4000, listen: forward.port }))).toBe("port-in-use");
      expect(await codeOf(() => sandbox.forward({ to: 70_000 }))).toBe("invalid-argument");
      expect(await codeOf(() => sandbox.waitForPort(4002, { timeoutMs: 100 }))).toBe("timeout");
    },
  },
  {
    name: "reports events in order, from a number on",
    play: (mock) => mock.on("true", ""),
    async run({ create }) {
      await using sandbox = await create();
      const { id } = await finished(sandbox.exec(["true"]));
      const types: string[] = [];
      for await (const event of sandbox.events({ from: 1, follow: false })) types.push(...typeOf(event, sandbox.name));
      expect(types).toEqual(["container-created", "container-started", `exec-started ${id}`, `exec-exited ${id}`]);
      expect(await codeOf(() => all(sandbox.events({ timeoutMs: 50 })))).toBe("timeout");
    },
  },
  {
    name: "pauses and resumes",
    async run({ create }) {
      await using sandbox = await create();
      await sandbox.pause();
      await sandbox.resume();
      expect(await codeOf(() => sandbox.resume())).toBe("wrong-state");
      expect(await sandbox.stats()).toMatchObject({ memoryBytes: expect.any(Number), tasks: expect.any(Number) });
    },
  },
  {
    name: "rejects every call once it was stopped, and stops once",
    play: (mock) =>
      mock.on(/^sleep/, ({ killed }) => new Promise((resolve) => killed.addEventListener("abort", () => resolve(0)))),
    async run({ create }) {
      const sandbox = await create();
      const running = sandbox.exec(["sleep", "1000"]);
      await running.started();
      await sandbox.stop();
      await sandbox.stop();
      expect(await codeOf(() => running)).toBe("stopped");
      const calls = [() => sandbox.exec(["true"]), () => sandbox.files.list("/"), () => sandbox.stats()];
      expect(await Promise.all(calls.map(codeOf))).toEqual(["stopped", "stopped", "stopped"]);
      expect(sandbox.ended.aborted).toBe(true);
    },
  },
  {
    name: "refuses commands, variables and options that can't be",
    async run({ create }) {
      await using sandbox = await create();
      const calls = [
        () => sandbox.exec([]),
        () => sandbox.exec("a\0b"),
        () => sandbox.exec(["true"], { env: { "A=B": "" } }),
        () => sandbox.exec(["true"], { timeoutMs: Number.NaN }),
        () => sandbox.exec(["true"]).resize({ rows: 1, columns: 1 }),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "invalid-argument"));
    },
  },
];

async function finished(exec: Exec): Promise<{ readonly id: string }> {
  await exec;
  return { id: exec.id };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function typeOf(event: SandboxEvent, container: string): string[] {
  if (!("container" in event) || event.container !== container) return [];
  return [event.exec === "" ? event.type : `${event.type} ${event.exec}`];
}
