import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { buildRecipe } from "../../rootfs-builder/recipe/recipe-tasks.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { type GuestctlProcess, startGuestctl } from "../scenarios/guestctl-process.ts";
import { KEEP_ALIVE_SERVER, postWhile } from "../scenarios/keep-alive.ts";
import { missingPrograms } from "../scenarios/missing-programs.ts";
import { unpackPrograms, whyNoPackages } from "../vm/testing/debian-programs.ts";

const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
/** Least deaths of the agent in each test. */
const KILLS = Number(process.env["GUESTD_KILLS"] ?? 10);
const REQUESTS = Number(process.env["GUESTD_REQUESTS"] ?? 5000);
const INCREMENTS = 2000;
const CONNECTIONS = 8;
const PACKAGES = ["redis-server", "redis-tools", "rsync", "git", "dash"];
const PORT = { redis: 6379, http: 8080, rsync: 8730 } as const;

const RSYNCD = `use chroot = no
uid = 0
gid = 0
[data]
path = /tmp
read only = no
`;
const SERVE = `(${KEEP_ALIVE_SERVER})((_, response) => response.end()).listen(${PORT.http}, "127.0.0.1");\n`;

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
/** Kept between runs: only what has changed is built again. */
const image = join(repositoryRoot, "build/real-programs");

async function buildImage(): Promise<void> {
  mkdirSync(image, { recursive: true });
  writeFileSync(join(image, "rsyncd.conf"), RSYNCD);
  writeFileSync(join(image, "serve.cjs"), SERVE);
  const sources = [
    { packages: PACKAGES },
    { file: "rsyncd.conf", to: "/etc/rsyncd.conf" },
    { file: "serve.cjs", to: "/srv/serve.cjs" },
  ];
  writeFileSync(join(image, "real.json"), JSON.stringify({ name: "real", sources }));
  rmSync(join(image, "real.lock.json"), { force: true });
  await buildRecipe(join(image, "real.json"), { root: repositoryRoot, to: image });
}

const missing = await whyNoPackages(PACKAGES);

describe.skipIf(missing !== undefined)(
  `real programs through forwards of a guest whose agent is killed (seed ${SEED})${missing === undefined ? "" : `: skipped, ${missing}`}`,
  () => {
    const random = randomFrom(SEED);
    let directory = "";
    let programs: NodeJS.ProcessEnv;
    let forward: GuestctlProcess;
    let kills = 0;
    const ports: Record<number, string> = {};
    const socket = () => join(directory, "redis.sock");
    const start = (...args: string[]) => startGuestctl(args, { env: { XDG_RUNTIME_DIR: directory } });

    /** Runs guestctl to its end, which must be a success without a line on stderr. */
    const guestctl = async (...args: string[]) => {
      const { ended, output } = start(...args);
      expect({ args, code: await ended, stderr: output.stderr }).toEqual({ args, code: 0, stderr: "" });
      return output.stdout.toString();
    };

    /** Runs a program of the packages to its end, which must be a success without a line on stderr. */
    const program = async (name: string, args: readonly string[], input = "", variables = programs) => {
      const env = { ...process.env, ...variables, XDG_RUNTIME_DIR: directory };
      const child = spawn(name, args, { env, stdio: "pipe" });
      child.stdin.end(input);
      const [stdout, stderr, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close"),
      ]);
      expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: "" });
      return stdout;
    };

    const serve = (name: string, ...command: string[]) =>
      guestctl("run", "-d", "-g", "real", "--guest-root", "--name", name, ...command);

    beforeAll(async () => {
      directory = makeWorkDirectory("real");
      await buildImage();
      programs = await unpackPrograms(["redis-tools", "rsync"], join(directory, "programs"));
      await guestctl("boot", "-d", "--name", "real", "--vm-image", image);
      const redis = ["--bind", "127.0.0.1", "--port", `${PORT.redis}`, "--unixsocket", "/tmp/redis.sock", "--save", ""];
      await serve("redis", "redis-server", ...redis);
      await serve("web", "node", "/srv/serve.cjs");
      await serve("files", "rsync", "--daemon", "--no-detach", "--address=127.0.0.1", `--port=${PORT.rsync}`);
      for (const port of Object.values(PORT)) await guestctl("ports", "real", "--wait", `${port}`);
      const places = Object.values(PORT).map((port) => `0:${port}`);
      forward = start("forward", "redis", ...places, `unix:${socket()}:unix:/tmp/redis.sock`);
      await forward.prints("unix:");
      for (const port of Object.values(PORT)) {
        const line = new RegExp(`^127\\.0\\.0\\.1:(\\d+) -> 127\\.0\\.0\\.1:${port} in redis$`, "m");
        await forward.prints(line);
        ports[port] = line.exec(forward.output.stdout.toString())?.[1] ?? "";
      }
    });
    afterAll(async () => {
      forward?.child.kill("SIGINT");
      await forward?.ended;
      await start("stop", "real").ended;
      rmSync(directory, { recursive: true, force: true });
      process.stdout.write(`${kills} kills of the agent under real programs: no client has seen an error\n`);
    });

    /** Repeats the work while the agent is killed at random moments, until it was killed often enough. */
    async function whileKilled(work: () => Promise<void>): Promise<void> {
      let [isOver, killed] = [false, 0];
      const killing = (async () => {
        // Each agent lives at least as long as the last one took to start, so that slow machines get on.
        for (let restartMs = 0; !isOver; killed++) {
          await sleep(restartMs + random() * 2000);
          const began = performance.now();
          await guestctl("agent", "kill");
          restartMs = performance.now() - began;
        }
      })();
      const working = (async () => {
        do await work();
        while (killed < KILLS && !isOver);
      })();
      await Promise.race([working, killing]).finally(() => {
        isOver = true;
      });
      await Promise.all([working, killing]);
      kills += killed;
      expect(forward.output.stderr).toBe("");
    }

    it.each([
      ["TCP", () => ["-p", `${ports[PORT.redis]}`]],
      ["a unix socket", () => ["-s", socket()]],
    ])("serve redis-benchmark and redis-cli over %s", async (_, place) => {
      const tests = ["ping_mbulk", "set", "get", "incr", "lpush", "lpop", "lrange_100", "mset"];
      const wanted = Array.from({ length: INCREMENTS }, (_, at) => `${at + 1}\n`).join("");
      await whileKilled(async () => {
        const load = ["-n", `${REQUESTS}`, "-c", "20", "-d", "512", "-t", tests.join(","), "--csv"];
        const rows = (await program("redis-benchmark", [...place(), ...load])).trim().split("\n");
        expect(rows.length).toBeGreaterThanOrEqual(tests.length);
        const counting = ["DEL count", ...Array.from({ length: INCREMENTS }, () => "INCR count")];
        const answers = await program("redis-cli", place(), `${counting.join("\n")}\n`);
        expect(answers.slice(answers.indexOf("\n") + 1)).toBe(wanted);
      });
    });

    it("serve an HTTP client that keeps its connections", async () => {
      let connections = 0;
      await whileKilled(async () => {
        const until = performance.now() + 5000;
        const wanted = () => performance.now() < until;
        ({ connections } = await postWhile(Number(ports[PORT.http]), random, CONNECTIONS, wanted));
        expect(connections).toBe(CONNECTIONS);
      });
    });

    it.each<[string, () => [options: string[], remote: string]]>([
      ["a daemon behind a forward", () => [[], `rsync://127.0.0.1:${ports[PORT.rsync]}/data`]],
      ["guestctl exec", () => [["-e", `${process.execPath} ${launcher} exec -i`], "files:/tmp"]],
    ])("carry a tree there and back by rsync over %s", async (_, place) => {
      const tree = join(directory, "tree");
      const back = join(directory, "back");
      rmSync(tree, { recursive: true, force: true });
      makeTree(tree);
      await whileKilled(async () => {
        const [options, remote] = place();
        const copy = ["-a", "--whole-file", "--ignore-times", "--delete", ...options];
        await program("rsync", [...copy, `${tree}/`, `${remote}/tree/`]);
        await program("rsync", [...copy, `${remote}/tree/`, `${back}/`]);
        expect(hashOf(back)).toBe(hashOf(tree));
        rmSync(back, { recursive: true });
      });
    });

    const noGit = missingPrograms("git", "ssh");
    it.skipIf(noGit !== undefined)(
      `carry commits both ways by git over ssh-proxy${noGit === undefined ? "" : ` (skipped: ${noGit})`}`,
      async () => {
        const config = join(directory, "ssh_config");
        const [here, there] = [join(directory, "here"), join(directory, "there")];
        const variables = { HOME: directory, SSH_AUTH_SOCK: "", GIT_SSH_COMMAND: `ssh -F ${config}` };
        const env = { ...variables, XDG_RUNTIME_DIR: directory };
        const printed = startGuestctl(["ssh-proxy", "--config", "files"], { env });
        expect(await printed.ended).toBe(0);
        writeFileSync(config, printed.output.stdout);
        const user = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"];
        const git = (at: string, ...args: string[]) => program("git", ["-C", at, ...user, ...args], "", variables);
        await guestctl("exec", "files", "git", "init", "-q", "--bare", "-b", "main", "/tmp/repo.git");
        await git(directory, "init", "-q", "-b", "main", here);
        await git(here, "remote", "add", "origin", "files:/tmp/repo.git");
        await whileKilled(async () => {
          rmSync(there, { recursive: true, force: true });
          for (let at = 0; at < 8; at++) writeFileSync(join(here, `${at}`), randomBytesOf(random, 1 << 20));
          await git(here, "add", ".");
          await git(here, "commit", "-q", "-m", "from here");
          await git(here, "push", "-q", "origin", "HEAD:main");
          await git(directory, "clone", "-q", "files:/tmp/repo.git", there);
          await git(there, "fsck", "--strict", "--no-progress");
          writeFileSync(join(there, "back"), randomBytesOf(random, 1 << 20));
          await git(there, "add", ".");
          await git(there, "commit", "-q", "-m", "from there");
          await git(there, "push", "-q");
          await git(here, "pull", "-q", "--ff-only", "origin", "main");
          for (const name of readdirSync(there).filter((each) => each !== ".git")) {
            expect(readFileSync(join(here, name)).equals(readFileSync(join(there, name)))).toBe(true);
          }
          expect(await git(here, "rev-parse", "HEAD")).toBe(await git(there, "rev-parse", "HEAD"));
        });
        await guestctl("exec", "files", "git", "-C", "/tmp/repo.git", "fsck", "--strict", "--no-progress");
      },
    );

    function makeTree(root: string): void {
      for (let folder = 0; folder < 20; folder++) {
        const path = join(root, `folder ${folder}`, "deep");
        mkdirSync(path, { recursive: true });
        for (let at = 0; at < 20; at++) {
          const bytes = randomBytesOf(random, Math.floor(random() * 20_000));
          writeFileSync(join(path, `${at}`), bytes, { mode: at % 2 === 0 ? 0o640 : 0o755 });
        }
      }
      writeFileSync(join(root, "big"), randomBytesOf(random, 8 << 20));
      symlinkSync("folder 1/deep", join(root, "link"));
    }
  },
);

/** Returns a hash of a tree's names, types, modes, targets and content. */
function hashOf(root: string): string {
  const sum = createHash("sha256");
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(root, name);
    const { mode } = lstatSync(path);
    sum.update(`${name} ${mode}\n`);
    const type = mode & 0o170_000;
    if (type === 0o120_000) sum.update(readlinkSync(path));
    else if (type === 0o100_000) sum.update(readFileSync(path));
  }
  return sum.digest("hex");
}
